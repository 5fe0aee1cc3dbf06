import { expect, test } from 'vitest'
import { startBench } from './support.ts'

const DAY = 86_400_000

test('a run of k sequential steps costs k + 1 deliveries', async () => {
  const { workflow, client, qstash } = await startBench()
  const results: number[] = []
  const url = workflow('/count', async (context) => {
    const one = await context.run('one', () => 1)
    const two = await context.run('two', () => one + 1)
    results.push(await context.run('three', () => two + 1))
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toEqual([3])
  expect(qstash.stats().deliveriesByUrl).toEqual({ [url]: 4 })
})

test('payload, headers, label and run id reach the endpoint at every delivery', async () => {
  const { workflow, client, qstash } = await startBench()
  const seen: unknown[] = []
  const url = workflow('/echo', async (context) => {
    await context.run('look', () => 'ok')
    const { requestPayload, headers, labels, workflowRunId } = context
    seen.push({ requestPayload, user: headers.get('x-user'), labels, workflowRunId })
  })
  const { workflowRunId } = await client.trigger({
    url,
    body: { text: 'smörgåsbord 🥪' },
    headers: { 'x-user': 'u1' },
    label: ['a', 'b'],
    workflowRunId: 'my-id',
  })
  await qstash.idle()
  expect(workflowRunId).toBe('wfr_my-id')
  expect(seen).toEqual([
    { requestPayload: { text: 'smörgåsbord 🥪' }, user: 'u1', labels: ['a', 'b'], workflowRunId },
  ])
  expect(qstash.stats().deliveriesByLabel).toEqual({ a: 2, b: 2 })
})

test('an array of triggers starts a run for each', async () => {
  const { workflow, client, qstash } = await startBench()
  const payloads = new Set<unknown>()
  const url = workflow('/many', async (context) => {
    await context.run('note', () => payloads.add(context.requestPayload).size)
  })
  const runs = await client.trigger([1, 2, 3].map((body) => ({ url, body })))
  await qstash.idle()
  expect(new Set(runs.map((run) => run.workflowRunId)).size).toBe(3)
  expect(payloads).toEqual(new Set([1, 2, 3]))
})

test('n parallel branches cost 2n deliveries and the next step runs once', async () => {
  const { workflow, client, qstash } = await startBench()
  const ran: string[] = []
  const branches = ['a', 'b', 'c', 'd']
  const url = workflow('/parallel', async (context) => {
    const results = await Promise.all(
      branches.map((name) => context.run(name, () => ran.push(name) && name.toUpperCase())),
    )
    await context.run('after', () => ran.push(results.join('')))
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(ran.slice(0, 4).toSorted()).toEqual(branches)
  expect(ran.slice(4)).toEqual(['ABCD'])
  expect(qstash.stats().deliveries).toBe(1 + 2 * branches.length + 1)
})

test('a sleep keeps the run from going on until the clock has passed it', async () => {
  const { workflow, client, qstash } = await startBench()
  let woke = 0
  const url = workflow('/sleep', async (context) => {
    await context.sleep('three days', '3d')
    await context.run('wake', () => ++woke)
  })
  await client.trigger({ url })
  await qstash.idle({ ignoreDelayed: true })
  qstash.advance(3 * DAY - 5000)
  await qstash.idle({ ignoreDelayed: true })
  expect(woke).toBe(0)
  qstash.advance(5000)
  await qstash.idle()
  expect(woke).toBe(1)
})

test('sleepUntil lasts to the exact time of the step, not the rounded one of the header', async () => {
  const { workflow, client, qstash } = await startBench()
  const wakeAt = Math.ceil(Date.now() / 1000) + 3600.4
  let woke = 0
  const url = workflow('/until', async (context) => {
    await context.sleepUntil('later', wakeAt)
    await context.run('wake', () => ++woke)
  })
  await client.trigger({ url })
  await qstash.idle({ ignoreDelayed: true })
  qstash.advance((wakeAt - 0.2) * 1000 - Date.now())
  await qstash.idle({ ignoreDelayed: true })
  expect(woke).toBe(0)
  await qstash.idle()
  expect(woke).toBe(1)
})

test('parallel branches may sleep, each for its own time', async () => {
  const { workflow, client, qstash } = await startBench({ timeScale: 0.001 })
  const results: unknown[] = []
  const url = workflow('/mixed', async (context) => {
    const all = await Promise.all([
      context.sleep('long', 60),
      context.run('quick', () => 'quick'),
      context.sleep('short', 10),
    ])
    await context.run('done', () => results.push(all))
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(results).toHaveLength(1)
  expect(qstash.stats().deliveries).toBe(1 + 6 + 1)
})

test('the time scale shortens delays', async () => {
  const { workflow, client, qstash } = await startBench({ timeScale: 0.001 })
  const url = workflow('/scaled', async (context) => {
    await context.sleep('a minute', '1m')
  })
  const start = performance.now()
  await client.trigger({ url, delay: '30s' })
  await qstash.idle()
  const elapsed = performance.now() - start
  expect(elapsed).toBeGreaterThan(85)
  expect(elapsed).toBeLessThan(3000)
})
