import { z } from '@hono/zod-openapi'
import { describeError } from '../errors.ts'

/** A response that is sent piece by piece. */
export const streamed = (mediaType: string, description: string) => ({
  content: { [mediaType]: { schema: z.string() } },
  description,
})

/**
 * A body of the texts that a generator yields. The next one is asked for when somebody waits for it, so that no more
 * than one is held. A generator that throws breaks the body off, which a reader can tell from its end.
 *
 * @param pieces.gone aborts when nobody reads any more.
 */
export function textStream(
  pieces: (gone: AbortSignal) => AsyncGenerator<string, void>,
): ReadableStream<Uint8Array> {
  const gone = new AbortController()
  const generator = pieces(gone.signal)
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await generator.next()
          if (gone.signal.aborted) return
          if (done === true) controller.close()
          else controller.enqueue(encoder.encode(value))
        } catch (error) {
          console.error(`[http] a response was broken off ${JSON.stringify(describeError(error))}`)
          controller.error(error)
        }
      },
      async cancel() {
        gone.abort()
        await generator.return()
      },
    },
    { highWaterMark: 0 },
  )
}
