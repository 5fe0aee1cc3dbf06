import { expect, test } from 'vitest'
import { startBench } from './support.ts'

test('the log of a run shows its steps, its response and its labels', async () => {
  const bench = await startBench()
  const url = bench.workflow('/logged', async (context) => {
    await context.run('one', () => 'first')
    await Promise.all([context.run('left', () => 1), context.run('right', () => 2)])
    return { done: true }
  })
  const { workflowRunId } = await bench.client.trigger({ url, body: { n: 1 }, label: ['a', 'b'], retries: 1 })
  await bench.qstash.idle()
  const { runs } = await bench.client.logs({ filter: { workflowRunId } })
  expect(runs).toHaveLength(1)
  expect(runs[0]).toMatchObject({
    workflowUrl: url,
    workflowState: 'RUN_SUCCESS',
    workflowRunResponse: '{"done":true}',
    label: 'a',
    labels: ['a', 'b'],
    steps: [
      {
        type: 'sequential',
        steps: [{ stepName: 'init', stepType: 'Initial', out: '{"n":1}', state: 'STEP_SUCCESS', retries: 1 }],
      },
      { type: 'sequential', steps: [{ stepId: 1, stepName: 'one', stepType: 'Run', out: '"first"' }] },
      {
        type: 'parallel',
        steps: [
          { stepId: 2, stepName: 'left', out: '1', concurrent: 2, state: 'STEP_SUCCESS' },
          { stepId: 3, stepName: 'right', out: '2', concurrent: 2, state: 'STEP_SUCCESS' },
        ],
      },
    ],
  })
})

test('a step that is being retried is shown with its errors', async () => {
  const bench = await startBench()
  const url = bench.workflow('/retrying', async (context) => {
    await context.run('breaks', () => {
      throw new Error('broken')
    })
  })
  await bench.client.trigger({ url, retryDelay: '60000' })
  await bench.qstash.idle({ ignoreDelayed: true })
  const { runs } = await bench.client.logs()
  expect(runs[0]?.workflowState).toBe('RUN_STARTED')
  const errors = [{ status: 500, body: expect.stringContaining('broken') }]
  const next = { state: 'STEP_RETRY', stepName: 'breaks', retryDelay: '60000', errors }
  expect(runs[0]?.steps.at(-1)).toMatchObject({ type: 'next', steps: [next] })
})

test('a wait is shown while it lasts', async () => {
  const bench = await startBench()
  const url = bench.workflow('/waiting', async (context) => {
    await context.waitForEvent('wait', 'event', { timeout: '1h' })
  })
  await bench.client.trigger({ url })
  await bench.qstash.idle({ ignoreDelayed: true })
  const { runs } = await bench.client.logs()
  expect(runs[0]?.steps.at(-1)?.steps[0]).toMatchObject({
    stepName: 'wait',
    stepType: 'Wait',
    state: 'STEP_PROGRESS',
    waitEventId: 'event',
    waitTimeoutDuration: '1h',
  })
})

test('a call is shown with its request and its response', async () => {
  const bench = await startBench()
  bench.app.post('/api', (c) => c.text('pong', 202))
  const url = bench.workflow('/calling', async (context) => {
    await context.call('ping', { url: `${bench.url}/api`, method: 'POST', body: 'ping' })
  })
  await bench.client.trigger({ url })
  await bench.qstash.idle()
  const { runs } = await bench.client.logs()
  expect(runs[0]?.steps[1]?.steps[0]).toMatchObject({
    stepName: 'ping',
    stepType: 'Call',
    state: 'STEP_SUCCESS',
    callUrl: `${bench.url}/api`,
    callMethod: 'POST',
    callBody: 'ping',
    callResponseStatus: 202,
    callResponseBody: 'pong',
  })
})

test('redacted fields are not shown', async () => {
  const bench = await startBench()
  const url = bench.workflow('/redacted', async (context) => {
    await context.run('step', () => 'secret')
    return 'secret'
  })
  const headers = { 'x-key': 'secret', 'x-user': 'u1' }
  await bench.client.trigger({ url, body: 'secret', headers, redact: { body: true, header: ['X-Key'] } })
  await bench.qstash.idle()
  const { runs } = await bench.client.logs()
  expect(JSON.stringify(runs)).not.toContain('secret')
  expect(runs[0]?.steps[0]?.steps[0]).toMatchObject({ headers: { 'X-Key': ['REDACTED'], 'X-User': ['u1'] } })
})

test('logs are filtered and paged, newest first', async () => {
  const bench = await startBench()
  const url = bench.workflow('/listed', async (context) => {
    await context.run('step', () => context.requestPayload)
  })
  const names = ['1', '2', '3', '4', '5']
  await bench.client.trigger(
    names.map((name) => ({ url, workflowRunId: name, label: name < '5' ? 'some' : 'other' })),
  )
  await bench.qstash.idle()
  const filter = { label: 'some', state: 'RUN_SUCCESS', workflowUrl: url } as const
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await bench.client.logs({ filter, count: 3, ...(cursor !== undefined && { cursor }) })
    seen.push(...page.runs.map((run) => run.workflowRunId.slice(4)))
    cursor = page.cursor
  } while (cursor)
  expect(seen).toEqual(['4', '3', '2', '1'])
  expect((await bench.client.logs({ filter: { ...filter, state: 'RUN_FAILED' } })).runs).toEqual([])
  const answer = await bench.api('/v2/workflows/logs?label=other')
  expect(await answer.json()).toMatchObject({ runs: [{ workflowRunId: 'wfr_5' }] })
})

test('the oldest ended runs lose their step bodies first, and then their records', async () => {
  const bench = await startBench({ keptLogBytes: 5000, keptRuns: 3 })
  const url = bench.workflow('/big', async (context) => {
    await context.run('step', () => 'x'.repeat(1000))
  })
  for (const workflowRunId of ['1', '2', '3', '4']) {
    await bench.client.trigger({ url, workflowRunId })
    await bench.qstash.idle()
  }
  const kept = bench.qstash.runs().map((run) => [run.workflowRunId, run.steps.length])
  expect(kept).toEqual([
    ['wfr_4', 2],
    ['wfr_3', 2],
    ['wfr_2', 0],
  ])
})
