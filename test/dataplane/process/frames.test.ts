import { PassThrough } from 'node:stream'
import { serialize } from 'node:v8'
import fc from 'fast-check'
import t from 'tap'
import {
  type Frame,
  FrameError,
  FrameReader,
  frameLimits,
  writeFrame,
} from '../../../src/dataplane/process/frames.ts'

function octetsOf(...frames: readonly Frame[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 1 << 26 })
  for (const frame of frames) writeFrame(stream, frame)
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0)
}

function imageOf(octets: Uint8Array): SharedArrayBuffer {
  const image = new SharedArrayBuffer(octets.length)
  new Uint8Array(image).set(octets)
  return image
}

const plain = ({ said, images }: Frame) => ({
  said,
  images: images.map((image) => [...new Uint8Array(image)]),
})

t.test('property: what is written is read, in whatever pieces it comes', (t) => {
  const frames = fc.array(
    fc
      .record({
        said: fc.anything({ maxDepth: 2 }),
        images: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
      })
      .filter(({ said }) => {
        try {
          serialize(said)
          return true
        } catch {
          return false
        }
      })
      .map(({ said, images }) => ({ said, images: images.map(imageOf) })),
    { maxLength: 5 },
  )
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 }), (written, sizes) => {
      const read: Frame[] = []
      const reader = new FrameReader((frame) => read.push(frame))
      const octets = octetsOf(...written)
      for (let at = 0, turn = 0; at < octets.length; turn++) {
        const size = sizes[turn % sizes.length]!
        reader.push(octets.subarray(at, at + size))
        at += size
      }
      t.strictSame(read.map(plain), written.map(plain))
    }),
    { numRuns: 200 },
  )
  t.end()
})

t.test('images come in memory that threads share', (t) => {
  const reader = new FrameReader(({ images }) =>
    t.ok(images.every((image) => image instanceof SharedArrayBuffer)),
  )
  reader.push(octetsOf({ said: 1, images: [imageOf(Uint8Array.of(7)), imageOf(new Uint8Array())] }))
  t.end()
})

t.test('what is no frame is refused, before memory is taken for it', (t) => {
  const head = (headOctets: number, images: number) => {
    const octets = Buffer.alloc(8)
    octets.writeUInt32LE(headOctets, 0)
    octets.writeUInt32LE(images, 4)
    return octets
  }
  const nobody = () => t.fail('it is no frame')
  for (const [octets, message] of [
    [head(0, 0), 'a head of 0 octets'],
    [head(frameLimits.headOctets + 1, 0), `a head of ${frameLimits.headOctets + 1} octets`],
    [head(1, frameLimits.images + 1), `${frameLimits.images + 1} images`],
    [Buffer.concat([head(3, 0), Buffer.from('abc')]), 'its head can not be read'],
  ] as const) {
    t.throws(() => new FrameReader(nobody).push(octets), new FrameError(message))
  }
  t.end()
})

t.test('property: random octets are a frame, an error, or not enough', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
      // The sizes are left small, so that the rest is looked at.
      for (const at of [1, 2, 3, 5, 6, 7]) octets[at] = 0
      try {
        new FrameReader(() => undefined).push(octets)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  t.end()
})
