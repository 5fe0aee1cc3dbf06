import { Hono } from 'hono'
import { randomUUID } from 'node:crypto'
import { expect, test as vitestTest, vi } from 'vitest'
import { z } from 'zod'
import { listen } from '../../server.ts'
import { startQstash } from '../index.ts'
import { benchOf, type Bench, type QstashAccess } from '../support.ts'
import { readTarget } from './target.ts'

/** One request that reached the app of a test. */
export type Received = {
  /** Path below the URL of the test. */
  path: string
  method: string
  headers: Headers
  body: string
  at: number
  /** Status of the answer; 0 while there is none. */
  status: number
}

/** What one test has for itself: an app that only this test uses, and an id for run ids, labels and keys. */
export type Site = Bench<QstashAccess> & { id: string; received: Received[] }

const target = readTarget(process.env)

const sites = new Map<string, Hono>()
const siteOf = (request: Request) => sites.get(new URL(request.url).pathname.split('/')[1] ?? '')

async function start() {
  const app = new Hono().all('*', (c) => siteOf(c.req.raw)?.fetch(c.req.raw, c.env) ?? c.notFound())
  const { url } = await listen(app, { port: target?.port ?? 0 })
  return target ?? { qstash: await startQstash(), publicUrl: url }
}

/** For the files that follow each other in a process, which end with it. */
const server = await start()

/** The tests of a file run together, since they spend their time waiting. */
export const test = vitestTest.concurrent

/** A test of what other servers do not promise: it is skipped there, and its name says why. */
export const localTest = (name: string, why: string, body: () => Promise<void>) =>
  vitestTest(`${name} (local only: ${why})`, { concurrent: true, skip: target !== undefined }, body)

/** Gives a test its app. */
export function openSite(): Site {
  const id = `conf-${randomUUID()}`
  const received: Received[] = []
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname.slice(id.length + 1) })
  app.use(async (c, next) => {
    const { method, path } = c.req
    const body = await c.req.raw.clone().text()
    const request: Received = { path, method, headers: c.req.raw.headers, body, at: Date.now(), status: 0 }
    received.push(request)
    await next()
    request.status = c.res.status
  })
  sites.set(id, app)
  return { ...benchOf<QstashAccess>(server.qstash, app, `${server.publicUrl}/${id}`), id, received }
}

/** Waits until a check passes. */
export const until = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 20_000, interval: 100 })

/** Real time, for what must not happen meanwhile. */
export const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The log of one run; throws when there is none. */
export async function logOf({ client }: Site, workflowRunId: string) {
  const { runs } = await client.logs({ filter: { workflowRunId } })
  const [run] = runs
  if (!run) throw new Error(`the logs do not have run ${workflowRunId}`)
  return run
}

/** Waits for the end of a run, which must be `state`, and gives its log. */
export async function endedAs(
  site: Site,
  workflowRunId: string,
  state: 'RUN_SUCCESS' | 'RUN_FAILED' | 'RUN_CANCELED' = 'RUN_SUCCESS',
) {
  const run = await until(async () => {
    const run = await logOf(site, workflowRunId)
    expect(run.workflowState).not.toBe('RUN_STARTED')
    return run
  })
  expect(run.workflowState).toBe(state)
  return run
}

/** The text in a base64 field. */
export const Base64Text = z.base64().transform((text) => Buffer.from(text, 'base64').toString())

const Log = z.array(z.object({ messageId: z.string(), body: Base64Text, callType: z.string() }))

/** The log of a run that a delivery carries. */
export const stepsIn = ({ body }: Received) => Log.parse(JSON.parse(body))
