import { z } from 'zod'

type App = {
  worker: (request: Request) => Promise<Response>
  services: { env: { ADMIN_TOKEN: string } }
}

/** Asks with ADMIN_TOKEN unless the headers say otherwise, and leaves the body unread. */
export const open = (app: App, path: string, headers: Record<string, string> = {}) =>
  app.worker(
    new Request(`https://rounds.test${path}`, {
      headers: { authorization: `Bearer ${app.services.env.ADMIN_TOKEN}`, ...headers },
    }),
  )

/** The parts of a streamed text that end so, as they come; a last part without that end is an error. */
export async function* parts(response: Response, end: string): AsyncGenerator<string, void> {
  if (response.body === null) throw new Error('the response has no body')
  const decoder = new TextDecoder()
  let rest = ''
  // Nothing is read ahead.
  for await (const chunk of response.body) {
    const text = decoder.decode(z.instanceof(Uint8Array).parse(chunk), { stream: true })
    const whole = (rest + text).split(end)
    rest = whole.pop() ?? ''
    yield* whole
  }
  if (rest !== '') throw new Error(`the stream was cut off within ${rest.slice(0, 100)}`)
}

export type ServerEvent = { event?: string; id?: string; retry?: string; comment?: string; data?: unknown }

/** The server-sent events of a response. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent, void> {
  for await (const block of parts(response, '\n\n')) {
    const fields = block.split('\n').map((line) => {
      const colon = line.indexOf(':')
      const name = colon === 0 ? 'comment' : line.slice(0, colon)
      const value = line.slice(colon + 1).trim()
      return [name, name === 'data' ? z.json().parse(JSON.parse(value)) : value]
    })
    yield z
      .strictObject({
        event: z.string().optional(),
        id: z.string().optional(),
        retry: z.string().optional(),
        comment: z.string().optional(),
        data: z.json().optional(),
      })
      .parse(Object.fromEntries(fields))
  }
}

/** All of them, once the stream has ended. */
export async function allEventsOf(response: Response): Promise<ServerEvent[]> {
  const events: ServerEvent[] = []
  for await (const event of eventsOf(response)) events.push(event)
  return events
}
