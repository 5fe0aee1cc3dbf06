import { expect, test } from 'vitest'
import { z } from 'zod'
import { deployment } from './deployment.ts'

const { run, call, stack, url, batches } = await deployment({ population: { users: 130, agents: 140 } })

const planSchema = z.object({ totalEligible: z.int(), toProcess: z.int(), sample: z.array(z.string()) })
const plan = async (workflow: string) =>
  planSchema.parse((await call('POST', `/api/admin/workflows/${workflow}/batches`, { dryRun: true })).body)

test.each(['welcome-placeholder', 'agent-welcome'])(
  '%s runs to its end and leaves nothing to do',
  async (name) => {
    const before = await plan(name)
    expect(before.toProcess).toBe(before.totalEligible)
    const batch = await run(name)
    expect(batch).toMatchObject({
      status: 'completed',
      counts: { recorded: before.toProcess, succeeded: before.toProcess },
    })
    expect(await plan(name)).toMatchObject({ totalEligible: before.totalEligible, toProcess: 0 })
    const attempts = stack.qstash.stats().deliveriesByLabel[batch.id] ?? 0
    const errors = stack.qstash
      .runs({ label: batch.id })
      .flatMap(({ steps }) => steps.flatMap((group) => group.steps))
      .flatMap((step) => step.errors ?? [])
    // A connection that broke between QStash and the Worker on a busy machine is nothing that the batch has cost.
    const broken = errors.filter(({ error }) => error.startsWith('fetch failed'))
    const perItem = (attempts - broken.length) / before.toProcess
    expect(perItem, JSON.stringify(errors)).toBeLessThanOrEqual(2.2)

    const [id] = before.sample
    const path =
      name === 'agent-welcome' ? `/api/agents/${id}/welcome` : `/api/users/${id}/welcome-placeholders`
    const { status, body } = await call('GET', path)
    expect(status).toBe(200)
    expect(Object.values(z.record(z.string(), z.unknown()).parse(body)).flat().length).toBeGreaterThan(2)
  },
)

const tick = () => fetch(`${url}/cdn-cgi/handler/scheduled?cron=30+3+*+*+*&time=1795145400000`)

test('a cron tick starts the workflow whose schedule it is, once', async () => {
  expect((await tick()).status).toBe(200)
  await stack.qstash.idle()
  await tick()
  await stack.qstash.idle()
  const started = (await batches()).filter(({ startedBy }) => startedBy === 'cron')
  expect(started.length).toBe(1)
})

test('the API describes itself, on a page with nothing but files of its own', async () => {
  const get = async (path: string) => {
    const answer = await fetch(url + path)
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
  }
  const document = await get('/openapi.json')
  expect(JSON.parse(document.text)).toMatchObject({ openapi: '3.1.0', servers: [{ url: url }] })
  expect(await get('/docs')).toMatchObject({ status: 200, text: expect.stringContaining('/docs/show.js') })
  expect(await get('/docs/swagger-ui-bundle.js')).toMatchObject({
    status: 200,
    type: expect.stringContaining('javascript'),
  })
  for (const path of ['/', '/index.html', '/swagger-ui-bundle.js', '/docs/swagger-ui-bundle.js.map']) {
    expect((await get(path)).status, path).toBe(404)
  }
})
