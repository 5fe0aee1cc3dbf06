import type { WorkflowContext } from '@upstash/workflow'
import { expect, test, vi } from 'vitest'
import { startBench } from './support.ts'

/** A workflow with one step that succeeds and one that fails while `broken` is set. */
function twoSteps() {
  const state = { broken: true, first: 0, second: 0 }
  const route = async (context: WorkflowContext) => {
    await context.run('first', () => ++state.first)
    await context.run('second', () => {
      state.second++
      if (state.broken) throw new Error('second is broken')
    })
  }
  return { state, route }
}

test('the failure function gets the payload, the error and the headers of the run', async () => {
  const bench = await startBench({ timeScale: 0.0001 })
  const failures: unknown[] = []
  const url = bench.workflow('/failing', twoSteps().route, {
    failureFunction: async ({ context, failStatus, failResponse }) => {
      failures.push({
        runId: context.workflowRunId,
        payload: context.requestPayload,
        user: context.headers.get('x-user'),
        failStatus,
        failResponse,
      })
      return 'noted'
    },
  })
  const headers = { 'x-user': 'u1' }
  const { workflowRunId } = await bench.client.trigger({
    url,
    body: { n: 1 },
    retries: 1,
    headers,
    label: 'l',
  })
  await bench.qstash.idle()
  const failure = { failStatus: 500, failResponse: 'second is broken' }
  expect(failures).toEqual([{ runId: workflowRunId, payload: { n: 1 }, user: 'u1', ...failure }])
  // init, the step twice, the failure function
  expect(bench.qstash.stats().deliveriesByLabel).toEqual({ l: 4 })
  const { runs } = await bench.client.logs({ filter: { workflowRunId } })
  expect(runs[0]).toMatchObject({
    workflowState: 'RUN_FAILED',
    failureFunction: { state: 'CALLBACK_SUCCESS', failStatus: 500, responseBody: '{"result":"noted"}' },
  })
})

test('a run without failure function just fails', async () => {
  const bench = await startBench()
  const url = bench.workflow('/failing', twoSteps().route)
  await bench.client.trigger({ url, retries: 0 })
  await bench.qstash.idle()
  const [run] = bench.qstash.runs()
  expect(run?.workflowState).toBe('RUN_FAILED')
  expect(run?.failureFunction).toBeUndefined()
})

test('a failure function that fails can be called again from the dead letter queue', async () => {
  const bench = await startBench()
  const failureFunction = vi.fn().mockRejectedValueOnce(new Error('down')).mockResolvedValue('up')
  const url = bench.workflow('/failing', twoSteps().route, { failureFunction })
  await bench.client.trigger({ url, retries: 0 })
  await bench.qstash.idle()
  const [letter] = (await bench.client.dlq.list()).messages
  expect(letter?.failureCallbackInfo?.state).toBe('CALLBACK_FAIL')
  await bench.client.dlq.retryFailureFunction({ dlqId: letter?.dlqId ?? '' })
  await bench.qstash.idle()
  const [after] = (await bench.client.dlq.list()).messages
  expect(after?.failureCallbackInfo).toMatchObject({ state: 'CALLBACK_SUCCESS', responseStatus: 200 })
  await expect(bench.client.dlq.retryFailureFunction({ dlqId: letter?.dlqId ?? '' })).rejects.toThrow(
    'only a failure callback that has failed',
  )
})

test('a failed run is in the dead letter queue with its last response', async () => {
  const bench = await startBench()
  const url = bench.workflow('/failing', twoSteps().route)
  const trigger = { url, retries: 0, label: ['batch-1', 'env'], body: 'payload' }
  const { workflowRunId } = await bench.client.trigger({
    ...trigger,
    flowControl: { key: 'k', parallelism: 1 },
  })
  await bench.client.trigger({ url, retries: 0, label: 'batch-2' })
  await bench.qstash.idle()
  const { messages } = await bench.client.dlq.list({ filter: { label: 'batch-1', flowControlKey: 'k' } })
  expect(messages).toHaveLength(1)
  expect(messages[0]).toMatchObject({
    workflowRunId,
    workflowUrl: url,
    responseStatus: 500,
    responseBody: expect.stringContaining('second is broken'),
    labels: ['batch-1', 'env'],
    failureCallback: url,
  })
})

test('a resumed run goes on at the failed step', async () => {
  const bench = await startBench()
  const { state, route } = twoSteps()
  const url = bench.workflow('/failing', route)
  const { workflowRunId } = await bench.client.trigger({ url, retries: 0, body: 'p', label: 'l' })
  await bench.qstash.idle()
  state.broken = false
  const { messages } = await bench.client.dlq.list()
  const resumed = await bench.client.dlq.resume({ dlqId: messages[0]?.dlqId ?? '' })
  await bench.qstash.idle()
  expect(state).toEqual({ broken: false, first: 1, second: 2 })
  expect(resumed.workflowRunId).not.toBe(workflowRunId)
  const [run] = bench.qstash.runs({ runId: resumed.workflowRunId, label: 'l' })
  expect(run?.workflowState).toBe('RUN_SUCCESS')
  expect((await bench.client.dlq.list()).messages).toEqual([])
})

test('a restarted run begins again', async () => {
  const bench = await startBench()
  const { state, route } = twoSteps()
  const url = bench.workflow('/failing', route)
  await bench.client.trigger([1, 2, 3].map(() => ({ url, retries: 0, label: 'l' })))
  await bench.qstash.idle()
  state.broken = false
  const first = await bench.client.dlq.restart({ filter: { label: 'l' }, count: 2 })
  expect([first.workflowRuns.length, first.cursor]).toEqual([2, expect.any(String)])
  const second = await bench.client.dlq.restart({ all: true, cursor: first.cursor ?? '' })
  expect([second.workflowRuns.length, second.cursor]).toEqual([1, undefined])
  await bench.qstash.idle()
  expect(state.first).toBe(6)
  expect(bench.qstash.runs({ state: 'RUN_SUCCESS' })).toHaveLength(3)
})

test('a resumed parallel run repeats only the branch that failed', async () => {
  const bench = await startBench()
  const ran: string[] = []
  let broken = true
  const url = bench.workflow('/parallel', async (context) => {
    const results = await Promise.all([
      context.run('good', () => ran.push('good') && 'g'),
      context.run('bad', () => {
        ran.push('bad')
        if (broken) throw new Error('broken branch')
        return 'b'
      }),
      context.waitForEvent('wait', 'event', { timeout: '1d' }),
    ])
    await context.run('end', () => ran.push(`end ${results[0]}${results[1]}`))
  })
  // one at a time, so that the good branch and the wait are done before the bad one fails
  const flowControl = { key: 'one', parallelism: 1 }
  await bench.client.trigger({ url, retries: 1, flowControl })
  await bench.qstash.idle({ ignoreDelayed: true })
  bench.qstash.advance(13_000)
  await bench.qstash.idle({ ignoreDelayed: true })
  broken = false
  await bench.client.dlq.resume({ all: true })
  await bench.qstash.idle({ ignoreDelayed: true })
  await bench.client.notify({ eventId: 'event' })
  await bench.qstash.idle()
  expect(ran).toEqual(['good', 'bad', 'bad', 'bad', 'end gb'])
})

test('dead letters can be deleted', async () => {
  const bench = await startBench()
  const url = bench.workflow('/failing', twoSteps().route)
  await bench.client.trigger([
    { url, retries: 0 },
    { url, retries: 0 },
  ])
  await bench.qstash.idle()
  const [letter] = (await bench.client.dlq.list()).messages
  expect(await bench.client.dlq.delete(letter?.dlqId ?? '')).toMatchObject({ deleted: 1 })
  expect(await bench.client.dlq.delete({ all: true })).toMatchObject({ deleted: 1 })
})
