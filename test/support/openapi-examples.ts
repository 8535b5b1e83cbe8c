/** The examples of the OpenAPI document as a client sends them: whatever is sent, and where, is taken from the document alone. */
import { examples } from '../../src/controlplane/api/openapi/examples/all.ts'
import { type Example, firstName } from '../../src/controlplane/api/openapi/examples/example.ts'
import type { DaemonProcess } from './daemon.ts'
import type { OpenapiDocument, Operation, Route } from './openapi-document.ts'

export interface Sent {
  readonly example: Example
  /** Its name among the examples of the operation. */
  readonly name: string
  readonly operation: Operation
  readonly reply: { readonly status: number; readonly type: string; readonly body: unknown }
}

/** Sends one after another, in the order in which a server that was empty can take them. */
export async function* sendExamples(daemon: DaemonProcess, document: OpenapiDocument): AsyncGenerator<Sent> {
  const routes = new Map(document.routes.map((route) => [route.operation.operationId, route]))
  for (const example of examples) {
    const route = routes.get(example.of)!
    const name = example.name ?? firstName
    const request = requestOf(route, name)
    const response = await daemon.request(request.path, request.init)
    const type = response.headers.get('content-type') ?? ''
    // A stream has no end.
    const text = type.startsWith('text/event-stream') ? await firstOf(response) : await response.text()
    const body = /json/.test(type) ? (JSON.parse(text) as unknown) : text
    yield { example, name, operation: route.operation, reply: { status: response.status, type, body } }
  }
}

async function firstOf(response: Response): Promise<string> {
  const reader = response.body!.getReader()
  const { value } = await reader.read()
  await reader.cancel()
  return new TextDecoder().decode(value)
}

function requestOf({ method, path, operation }: Route, name: string) {
  const query = new URLSearchParams()
  let url = path
  for (const parameter of operation.parameters ?? []) {
    const value = parameter.examples?.[name]?.value
    if (value === undefined) continue
    if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, encodeURIComponent(String(value)))
    else query.set(parameter.name, String(value))
  }
  const [[type, media] = []] = Object.entries(operation.requestBody?.content ?? {})
  const body = media?.examples?.[name]?.value
  const isJson = /json/.test(type ?? '')
  return {
    path: query.size === 0 ? url : `${url}?${query}`,
    init: {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': type! } }),
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : String(body) }),
    },
  }
}
