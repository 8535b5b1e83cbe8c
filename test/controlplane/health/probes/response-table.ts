/** Responses, good and odd, and what is to be made of them. */
import type { HttpMethod } from '../../../../src/controlplane/model/monitor.ts'

export interface ResponseRow {
  readonly name: string
  /** What the server sends before it ends the connection. */
  readonly octets: string
  /** The status, and the body behind a blank; else the beginning of the reason. */
  readonly expected: string
  readonly method?: HttpMethod
  /** Some version of curl does not read it, though it may be read. */
  readonly curl?: 'refused'
}

const ok = 'HTTP/1.1 200 OK\r\n'
const length = 'Content-Length: 2\r\n'
const malformed = 'malformed HTTP response: '
const cutOff = 'connection closed before the end of the response'

export const responseTable: readonly ResponseRow[] = [
  // Status lines (RFC 9112 section 4)
  { name: 'the usual', octets: `${ok}${length}\r\nok`, expected: '200 ok' },
  { name: 'no reason', octets: `HTTP/1.1 200 \r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'no blank either', octets: `HTTP/1.1 200\r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'an odd reason', octets: `HTTP/1.1 200 \xfcber: 7\t!\r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'two blanks', octets: `HTTP/1.1  200 OK\r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'version 1.0', octets: `HTTP/1.0 200 OK\r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'version 1.9', octets: `HTTP/1.9 200 OK\r\n${length}\r\nok`, expected: '200 ok', curl: 'refused' },
  { name: 'no class of status', octets: `HTTP/1.1 999 Away\r\n${length}\r\nok`, expected: '999 ok' },
  { name: 'version 2.0', octets: `HTTP/2.0 200 OK\r\n\r\n`, expected: `${malformed}version 2` },
  { name: 'a small http', octets: `http/1.1 200 OK\r\n\r\n`, expected: `${malformed}it does not begin` },
  { name: 'four digits', octets: 'HTTP/1.1 2000 OK\r\n\r\n', expected: `${malformed}status line` },
  { name: 'two digits', octets: 'HTTP/1.1 20 OK\r\n\r\n', expected: `${malformed}status line` },
  { name: 'status 099', octets: 'HTTP/1.1 099 OK\r\n\r\n', expected: `${malformed}status 099` },
  { name: 'another protocol', octets: 'SSH-2.0-x\r\n', expected: `${malformed}it does not begin` },
  { name: 'another one without lines', octets: '\x00\x01\x02', expected: `${malformed}it does not begin` },
  { name: 'HTTP/0.9', octets: '<html>ok</html>', expected: `${malformed}it does not begin` },
  {
    name: 'empty lines before',
    octets: `\r\n\n\r\n${ok}${length}\r\nok`,
    expected: '200 ok',
    curl: 'refused',
  },
  { name: 'nothing', octets: '', expected: cutOff },
  { name: 'half a status line', octets: 'HTTP/1.1 2', expected: cutOff },

  // Interim responses (RFC 9110 section 15.2)
  {
    name: '100, unasked',
    octets: `HTTP/1.1 100 Continue\r\n\r\n${ok}${length}\r\nok`,
    expected: '200 ok',
  },
  {
    name: 'several, with fields of their own',
    octets: `HTTP/1.1 103 Early\r\nlink: </a>\r\ncontent-length: 7\r\n\r\nHTTP/1.1 102 P\r\n\r\n${ok}${length}\r\nok`,
    expected: '200 ok',
  },
  {
    name: 'eight of them',
    octets: `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(8)}${ok}${length}\r\nok`,
    expected: '200 ok',
  },
  {
    name: 'nine of them',
    octets: `${'HTTP/1.1 199 Wait\r\n\r\n'.repeat(9)}${ok}${length}\r\nok`,
    expected: `${malformed}more than 8 interim`,
  },
  { name: 'nothing behind 100', octets: 'HTTP/1.1 100 Continue\r\n\r\n', expected: cutOff },
  {
    name: '101',
    octets: 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nxx',
    expected: `${malformed}status 101`,
  },

  // Fields (RFC 9112 section 5)
  { name: 'a trailing blank', octets: `${ok}Content-Length: 2 \r\n\r\nok`, expected: '200 ok' },
  { name: 'blanks of both kinds', octets: `${ok}Content-Length:\t 2\t \r\n\r\nok`, expected: '200 ok' },
  { name: 'no blank', octets: `${ok}Content-Length:2\r\n\r\nok`, expected: '200 ok' },
  { name: 'a blank before the colon', octets: `${ok}Content-Length : 2\r\n\r\nok`, expected: '200 ok' },
  { name: 'any case', octets: `${ok}cONTENT-lENGTH: 2\r\n\r\nok`, expected: '200 ok' },
  { name: 'LF alone', octets: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', expected: '200 ok' },
  { name: 'a folded field', octets: `${ok}x: a\r\n  b\r\n\tc\r\n${length}\r\nok`, expected: '200 ok' },
  {
    name: 'a folded length',
    octets: `${ok}Content-Length:\r\n 2\r\n\r\nok`,
    expected: '200 ok',
    curl: 'refused',
  },
  { name: 'a value that is empty', octets: `${ok}x:\r\n${length}\r\nok`, expected: '200 ok' },
  { name: 'octets above ASCII', octets: `${ok}x: \xe9\xff\r\n${length}\r\nok`, expected: '200 ok' },
  {
    name: 'a fold before the first',
    octets: `${ok} x: y\r\n${length}\r\nok`,
    expected: `${malformed}a blank before`,
  },
  { name: 'no colon', octets: `${ok}${length}oops\r\n\r\nok`, expected: `${malformed}header field "oops"` },
  {
    name: 'no name',
    octets: `${ok}: x\r\n${length}\r\nok`,
    expected: `${malformed}header field ": x"`,
  },
  {
    name: 'a blank in a name',
    octets: `${ok}a b: x\r\n\r\n`,
    expected: `${malformed}header field "a b: x"`,
  },
  { name: 'a NUL', octets: `${ok}x: a\0b\r\n${length}\r\nok`, expected: `${malformed}CR or NUL` },
  {
    name: 'a bare CR',
    octets: `${ok}x: a\rb\r\n${length}\r\nok`,
    expected: `${malformed}CR or NUL`,
  },
  { name: 'an end inside', octets: `${ok}Content-Le`, expected: cutOff },
  { name: 'an end behind a field', octets: `${ok}${length}`, expected: cutOff },

  // Lengths (RFC 9110 section 8.6, RFC 9112 section 6)
  { name: 'the same length twice', octets: `${ok}${length}${length}\r\nok`, expected: '200 ok' },
  {
    name: 'the same in a list',
    octets: `${ok}Content-Length: 2, 2\r\n\r\nok`,
    expected: '200 ok',
  },
  { name: 'zeros before', octets: `${ok}Content-Length: 0002\r\n\r\nok`, expected: '200 ok' },
  {
    name: 'two lengths',
    octets: `${ok}${length}Content-Length: 3\r\n\r\nok!`,
    expected: `${malformed}several lengths: 2, 3`,
  },
  {
    name: 'no number',
    octets: `${ok}Content-Length: many\r\n\r\nok`,
    expected: `${malformed}Content-Length "many"`,
  },
  {
    name: 'a sign',
    octets: `${ok}Content-Length: +2\r\n\r\nok`,
    expected: `${malformed}Content-Length "+2"`,
  },
  {
    name: 'below zero',
    octets: `${ok}Content-Length: -2\r\n\r\nok`,
    expected: `${malformed}Content-Length "-2"`,
  },
  {
    name: 'sixteens',
    octets: `${ok}Content-Length: 0x2\r\n\r\nok`,
    expected: `${malformed}Content-Length "0x2"`,
  },
  {
    name: 'an empty length',
    octets: `${ok}Content-Length:\r\n\r\nok`,
    expected: `${malformed}Content-Length ""`,
  },
  { name: 'too short', octets: `${ok}Content-Length: 3\r\n\r\nok`, expected: cutOff },
  {
    name: 'a length beyond numbers',
    octets: `${ok}Content-Length: ${'9'.repeat(400)}\r\n\r\nok`,
    expected: cutOff,
  },
  { name: 'more than there should be', octets: `${ok}${length}\r\nok!`, expected: '200 ok' },
  {
    name: 'a second response behind it',
    octets: `${ok}${length}\r\nokHTTP/1.1 500 No\r\n\r\n`,
    expected: '200 ok',
  },
  { name: 'as long as the connection', octets: `${ok}\r\nok`, expected: '200 ok' },
  { name: 'the same in 1.0', octets: 'HTTP/1.0 200 OK\r\n\r\nok', expected: '200 ok' },
  { name: 'that and kept alive', octets: `${ok}Connection: keep-alive\r\n\r\nok`, expected: '200 ok' },
  { name: '204 with a length', octets: `HTTP/1.1 204 No\r\n${length}\r\n`, expected: '204' },
  {
    name: '204 and chunks',
    octets: 'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n',
    expected: '204',
  },
  { name: '304 with a length', octets: `HTTP/1.1 304 Same\r\nContent-Length: 100\r\n\r\n`, expected: '304' },
  { name: 'HEAD with a length', method: 'HEAD', octets: `${ok}Content-Length: 100\r\n\r\n`, expected: '200' },
  {
    name: 'HEAD and chunks',
    method: 'HEAD',
    octets: `${ok}Transfer-Encoding: chunked\r\n\r\n`,
    expected: '200',
  },
  { name: 'HEAD with a body', method: 'HEAD', octets: `${ok}${length}\r\nok`, expected: '200' },

  // Chunks (RFC 9112 section 7)
  ...(
    [
      ['chunks', '1\r\no\r\n1\r\nk\r\n0\r\n\r\n', '200 ok'],
      ['digits of sixteen', '0002\r\nok\r\n00\r\n\r\n', '200 ok'],
      ['capitals', 'A\r\n0123456789\r\n0\r\n\r\n', '200 0123456789'],
      ['extensions', '2;a=b;c="d;\te"\r\nok\r\n0;x\r\n\r\n', '200 ok'],
      ['blanks behind a size', '2  \r\nok\r\n0\r\n\r\n', '200 ok'],
      ['trailers', '2\r\nok\r\n0\r\nx: y\r\nContent-Length: 7\r\n\r\n', '200 ok'],
      ['LF alone in chunks', '2\nok\n0\n\n', '200 ok'],
      ['no size', '\r\nok\r\n0\r\n\r\n', `${malformed}size of a chunk ""`],
      ['a bad size', 'zz\r\nok\r\n0\r\n\r\n', `${malformed}size of a chunk "zz"`],
      ['a size below zero', '-2\r\nok\r\n0\r\n\r\n', `${malformed}size of a chunk "-2"`],
      ['a size by its C name', '0x2\r\nok\r\n0\r\n\r\n', `${malformed}size of a chunk "0x2"`],
      ['a longer chunk', '1\r\nok\r\n0\r\n\r\n', `${malformed}a chunk is longer`],
      ['a chunk that breaks off', '5\r\nok', cutOff],
      ['no last chunk', '2\r\nok\r\n', cutOff],
      ['no end of the trailers', '2\r\nok\r\n0\r\nx: y\r\n', cutOff],
    ] as const
  ).map(([name, body, expected]) => ({
    name,
    octets: `${ok}Transfer-Encoding: chunked\r\n\r\n${body}`,
    expected,
  })),
  {
    name: 'chunks of a small c, and nothing else in the list',
    octets: `${ok}transfer-encoding: , CHUNKED ,\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    expected: '200 ok',
    curl: 'refused',
  },
  {
    name: 'chunks in 1.0',
    octets: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    expected: '200 ok',
  },
  {
    name: 'a coding that is none',
    octets: `${ok}Transfer-Encoding: identity\r\n${length}\r\nok`,
    expected: '200 ok',
  },
  {
    name: 'chunks and a length',
    octets: `${ok}Transfer-Encoding: chunked\r\n${length}\r\n2\r\nok\r\n0\r\n\r\n`,
    expected: `${malformed}both Content-Length`,
  },
  {
    name: 'chunks in chunks',
    octets: `${ok}Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    expected: `${malformed}Transfer-Encoding "chunked, chunked"`,
  },
  {
    name: 'another coding',
    octets: `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    expected: `${malformed}Transfer-Encoding "gzip, chunked"`,
  },
]
