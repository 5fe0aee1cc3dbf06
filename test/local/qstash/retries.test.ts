import { WorkflowNonRetryableError, WorkflowRetryAfterError } from '@upstash/workflow'
import { expect, test, vi } from 'vitest'
import { startBench } from './support.ts'

/** Throws a new error for the first `times` calls. */
function failing(times: number, error: () => Error = () => new Error('not yet')) {
  return vi.fn(() => {
    if (times-- > 0) throw error()
    return 'done'
  })
}

test('a failing step is retried and the run succeeds', async () => {
  const { workflow, client, qstash } = await startBench({ timeScale: 0.0001 })
  const step = failing(2)
  const retried: number[] = []
  const url = workflow('/flaky', async (context) => {
    await context.run('flaky', () => retried.push(context.retried) && step())
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(retried).toEqual([0, 1, 2])
  expect(qstash.stats().deliveries).toBe(4)
})

test('an unset number of retries means three', async () => {
  const { workflow, client, qstash } = await startBench({ timeScale: 0.00001 })
  const step = failing(99)
  const url = workflow('/broken', async (context) => {
    await context.run('broken', step)
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(step).toHaveBeenCalledTimes(4)
})

test.each([
  ['default backoff', undefined, [12_183, 148_414]],
  ['an expression', '1000 * (1 + retried)', [1000, 2000]],
])('the delay follows %s', async (_, retryDelay, delays) => {
  const { workflow, client, qstash } = await startBench()
  const step = failing(2)
  const url = workflow('/delayed', async (context) => {
    await context.run('step', step)
  })
  await client.trigger({ url, ...(retryDelay && { retryDelay }) })
  for (const [index, delay] of delays.entries()) {
    await qstash.idle({ ignoreDelayed: true })
    expect(step).toHaveBeenCalledTimes(index + 1)
    qstash.advance(delay - 900)
    await qstash.idle({ ignoreDelayed: true })
    expect(step).toHaveBeenCalledTimes(index + 1)
    qstash.advance(900)
  }
  await qstash.idle()
  expect(step).toHaveBeenCalledTimes(3)
})

test('Retry-After wins over the retry delay', async () => {
  const { workflow, client, qstash } = await startBench()
  const step = failing(1, () => new WorkflowRetryAfterError('later', '2m'))
  const url = workflow('/later', async (context) => {
    await context.run('step', step)
  })
  await client.trigger({ url, retryDelay: '1' })
  await qstash.idle({ ignoreDelayed: true })
  qstash.advance(119_000)
  await qstash.idle({ ignoreDelayed: true })
  expect(step).toHaveBeenCalledTimes(1)
  qstash.advance(1000)
  await qstash.idle()
  expect(step).toHaveBeenCalledTimes(2)
})

test('a non-retryable error fails the run at once', async () => {
  const { workflow, client, qstash } = await startBench()
  const step = failing(99, () => new WorkflowNonRetryableError('never'))
  const url = workflow('/never', async (context) => {
    await context.run('step', step)
  })
  await client.trigger({ url })
  await qstash.idle()
  expect(step).toHaveBeenCalledTimes(1)
})

test('an endpoint that cannot be reached is a failed attempt', async () => {
  const { client, qstash } = await startBench({ timeScale: 0.0001 })
  const url = 'http://127.0.0.1:9/closed'
  await client.trigger({ url, retries: 2 })
  await qstash.idle()
  // three attempts of the run, three of its failure callback
  expect(qstash.stats().deliveriesByUrl).toEqual({ [url]: 6 })
  expect(qstash.runs().map((run) => run.workflowState)).toEqual(['RUN_FAILED'])
})

test('an endpoint that is no workflow fails the run without retry', async () => {
  const { app, url, client, qstash } = await startBench()
  app.post('/plain', (c) => c.text('fine'))
  await client.trigger({ url: `${url}/plain` })
  await qstash.idle()
  const [run] = qstash.runs()
  expect(run?.workflowState).toBe('RUN_FAILED')
  const [error] = run?.steps.at(-1)?.steps[0]?.errors ?? []
  expect(error).toMatchObject({ status: 200, body: 'fine', error: expect.stringContaining('non-workflow') })
  expect(qstash.stats().deliveriesByUrl[`${url}/plain`]).toBe(2)
})

test('a redirect is not followed and counts as a failure', async () => {
  const { app, url, client, qstash } = await startBench()
  let followed = 0
  app.post('/moved', (c) => c.redirect('/elsewhere', 307))
  app.post('/elsewhere', (c) => {
    followed++
    return c.text('fine', 200, { 'Upstash-Workflow-Sdk-Version': '1' })
  })
  await client.trigger({ url: `${url}/moved`, retries: 0 })
  await qstash.idle()
  expect(followed).toBe(0)
  expect(qstash.runs()[0]?.workflowState).toBe('RUN_FAILED')
})
