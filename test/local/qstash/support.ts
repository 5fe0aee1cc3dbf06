import { Client as QstashClient } from '@upstash/qstash'
import { Client, type WorkflowContext } from '@upstash/workflow'
import { serve } from '@upstash/workflow/hono'
import { Hono } from 'hono'
import { expect, onTestFinished } from 'vitest'
import { listen } from '../server.ts'
import { type LocalQstash, type QstashOptions, startQstash } from './index.ts'

type Call = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> }
type Route = (context: WorkflowContext) => Promise<unknown>
type ServeOptions = NonNullable<Parameters<typeof serve>[1]>

/** What it takes to use a QStash, this one or any other. */
export type QstashAccess = Pick<LocalQstash, 'url' | 'token' | 'currentSigningKey' | 'nextSigningKey'>

/** One QStash, one app with workflow endpoints, and clients for both. */
export type Bench<Qstash extends QstashAccess = LocalQstash> = {
  qstash: Qstash
  app: Hono
  /** Base URL of the app. */
  url: string
  client: Client
  qstashClient: QstashClient
  /** Mounts a workflow and gives its URL. */
  workflow: (path: string, route: Route, options?: Partial<ServeOptions>) => string
  /** Calls the server itself, with the token. */
  api: (path: string, init?: Call) => Promise<Response>
}

/** Environment of an endpoint that accepts only what this server has signed. */
export const endpointEnv = (qstash: QstashAccess) => ({
  QSTASH_URL: qstash.url,
  QSTASH_TOKEN: qstash.token,
  QSTASH_CURRENT_SIGNING_KEY: qstash.currentSigningKey,
  QSTASH_NEXT_SIGNING_KEY: qstash.nextSigningKey,
})

/** Clients for a QStash, and an app that it reaches below `url`. */
export function benchOf<Qstash extends QstashAccess>(qstash: Qstash, app: Hono, url: string): Bench<Qstash> {
  const access = { baseUrl: qstash.url, token: qstash.token }
  const { origin } = new URL(url)
  return {
    qstash,
    app,
    url,
    client: new Client(access),
    qstashClient: new QstashClient(access),
    workflow(path, route, options = {}) {
      app.post(path, serve(route, { env: endpointEnv(qstash), baseUrl: origin, ...options }))
      return `${url}${path}`
    },
    api: (path, init) =>
      fetch(`${qstash.url}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${qstash.token}`, ...init?.headers },
      }),
  }
}

/** Starts everything; it is stopped after the test. */
export async function startBench(options: QstashOptions = {}): Promise<Bench> {
  const qstash = await startQstash(options)
  const app = new Hono()
  const server = await listen(app)
  onTestFinished(async () => {
    await server.close()
    await qstash.close()
  })
  return benchOf(qstash, app, server.url)
}

/** A promise that a test settles from outside. */
export function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}

/** Waits until what is read is as expected. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000 })
