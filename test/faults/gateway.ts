import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalServer } from '../local/server.ts'

/**
 * What becomes of a request: `refused` and `cut` never get to the service; of `lost` and `cut after` the effect stands and
 * the answer does not come; `hung` is never answered, `frozen` when everybody has given it up.
 */
export type Passing = 'passed' | 'refused' | 'cut' | 'lost' | 'cut after' | 'slow' | 'hung' | 'frozen'

/** A request of the Worker to a service, and what the service answered. */
export type Passage = { service: string; method: string; path: string; body: string; at: number }
export type Answered = Passage & { status: number; answer: string }

/** Decides over each request, and hears of it. */
export type Listener = {
  /** Comes first: the request waits for it. */
  before: () => Promise<void>
  decide: (passage: Passage) => Passing
  seen: (answered: Answered) => void
  /** Resolves when what is frozen thaws. */
  thaw: () => Promise<void>
}

export type Gateway = {
  /** Where the Worker finds a service. */
  urlOf: (service: string) => string
  close: () => Promise<void>
}

const dropped = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'expect'])

type Targets = Record<string, Pick<LocalServer, 'fetch'>>

type Options = {
  /** By name. */
  targets: Targets
  /** Who listens now. */
  listener: () => Listener
  /** What is sent instead of the body. */
  rewrite: (passage: Passage) => string
}

/** Stands between the Worker and its services. */
export async function startGateway(options: Options): Promise<Gateway> {
  const server = createServer((request, response) => {
    pass(request, response, options).catch(() => response.destroy())
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the gateway has no port')
  return {
    urlOf: (service) => `http://127.0.0.1:${address.port}/${service}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  { targets, listener, rewrite }: Options,
): Promise<void> {
  const { method = 'GET', url = '/' } = request
  const [, service = '', rest = ''] = /^\/([^/?]+)(.*)$/.exec(url) ?? []
  const target = targets[service]
  if (target === undefined) throw new Error(`no service ${service}`)
  const body = (await buffer(request)).toString()
  const { before, decide, seen, thaw } = listener()
  await before()
  const passage = { service, method, path: rest, body, at: Date.now() }
  const passing = decide(passage)
  switch (passing) {
    case 'refused':
      return refuse(response)
    case 'cut':
      response.destroy()
      return
    case 'hung':
      return
    case 'slow':
      await sleep(30)
      break
    case 'passed':
    case 'lost':
    case 'cut after':
    case 'frozen':
      break
  }
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const answer = await target.fetch(
    new Request(`http://${service}${rest}`, {
      method,
      headers: headersOf(request),
      body: hasBody ? rewrite(passage) : null,
    }),
  )
  const answered = Buffer.from(await answer.arrayBuffer())
  seen({ ...passage, status: answer.status, answer: answered.toString() })
  if (passing === 'frozen') await thaw()
  if (passing === 'cut after') {
    response.destroy()
    return
  }
  if (passing === 'lost') return refuse(response)
  const headers = [...answer.headers].filter(([name]) => !dropped.has(name))
  response.writeHead(answer.status, Object.fromEntries(headers)).end(answered)
}

/** In the shape of whatever service is asked. */
function refuse(response: ServerResponse): void {
  const body = JSON.stringify({ message: 'the service is down', error: 'the service is down' })
  response.writeHead(503, { 'content-type': 'application/json' }).end(body)
}

const headersOf = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || dropped.has(name)
        ? []
        : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
