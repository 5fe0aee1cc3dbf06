import type { WorkflowContext } from '@upstash/workflow'
import { expect, vi } from 'vitest'
import { endedAs, openSite, type Site, test, until } from './support.ts'

/** A workflow with one step that succeeds and one that fails while `broken` is set. */
function twoSteps() {
  const site = openSite()
  const state = { broken: true, first: 0, second: 0 }
  const route = async (context: WorkflowContext) => {
    await context.run('first', () => ++state.first)
    await context.run('second', () => {
      state.second++
      if (state.broken) throw new Error('second is broken')
    })
  }
  return { ...site, state, route, workflowUrl: site.workflow('/failing', route) }
}

const lettersOf = async ({ client, id }: Site) => (await client.dlq.list({ filter: { label: id } })).messages

/** Triggers runs of that workflow, waits until they have failed, and gives their dead letters. */
async function fail(site: ReturnType<typeof twoSteps>, count = 1, options = {}) {
  const one = { url: site.workflowUrl, retries: 0, label: site.id, ...options }
  const runs = await site.client.trigger(Array.from({ length: count }, () => one))
  for (const { workflowRunId } of runs) await endedAs(site, workflowRunId, 'RUN_FAILED')
  return until(async () => {
    const letters = await lettersOf(site)
    expect(letters).toHaveLength(count)
    return letters
  })
}

test('a failed run is in the dead letter queue with its last response and its payload', async () => {
  const site = twoSteps()
  const flowControl = { key: site.id, parallelism: 3 }
  const label = [site.id, 'env']
  const [letter] = await fail(site, 1, { body: 'payload', headers: { 'x-user': 'u1' }, label, flowControl })
  expect(letter).toMatchObject({
    workflowUrl: site.workflowUrl,
    responseStatus: 500,
    responseBody: expect.stringContaining('second is broken'),
    label: site.id,
    labels: label,
    failureCallback: site.workflowUrl,
    maxRetries: 0,
    body: 'payload',
  })
})

test('dead letters are found by their properties, which must all match', async () => {
  const site = twoSteps()
  const { client, id } = site
  const flowControl = { key: id, parallelism: 3 }
  const [letter] = await fail(site, 1, { flowControl })
  const { workflowRunId = '', workflowCreatedAt = 0, callerIP = '' } = letter ?? {}
  const found = async (filter: NonNullable<Parameters<typeof client.dlq.list>[0]>['filter'] & object) =>
    (await client.dlq.list({ filter: { label: id, ...filter } })).messages.length
  const matching = [
    { label: [id, 'another'] },
    { workflowUrl: site.workflowUrl },
    { workflowRunId },
    { workflowRunId, workflowCreatedAt },
    { flowControlKey: id },
    { responseStatus: 500 },
    { callerIp: callerIP },
    { fromDate: Date.now() - 60_000, toDate: Date.now() + 60_000 },
  ]
  for (const filter of matching) expect([filter, await found(filter)]).toEqual([filter, 1])
  const others = [
    { label: 'another' },
    { workflowUrl: `${site.workflowUrl}/b` },
    { workflowRunId: 'wfr_another' },
    { workflowRunId, flowControlKey: 'another' },
    { responseStatus: 501 },
    { callerIp: '192.0.2.1' },
    { toDate: Date.now() - 60_000 },
  ]
  for (const filter of others) expect([filter, await found(filter)]).toEqual([filter, 0])
})

test('dead letters are listed page by page', async () => {
  const site = twoSteps()
  const letters = await fail(site, 3)
  const filter = { label: site.id }
  const first = await site.client.dlq.list({ filter, count: 2 })
  const second = await site.client.dlq.list({ filter, count: 2, cursor: first.cursor ?? '' })
  expect([first.messages.length, second.messages.length]).toEqual([2, 1])
  const ids = [...first.messages, ...second.messages].map(({ dlqId }) => dlqId)
  expect(ids).toEqual(letters.map(({ dlqId }) => dlqId))
})

test('a resumed run goes on at the failed step, under a new id', async () => {
  const site = twoSteps()
  const [letter] = await fail(site, 1, { body: 'p', headers: { 'x-user': 'u1' } })
  site.state.broken = false
  const resumed = await site.client.dlq.resume({ dlqId: letter?.dlqId ?? '' })
  expect(resumed.workflowRunId).not.toBe(letter?.workflowRunId)
  const run = await endedAs(site, resumed.workflowRunId)
  expect(run.labels).toEqual([site.id])
  expect(site.state).toEqual({ broken: false, first: 1, second: 2 })
  expect(site.received.at(-1)?.headers.get('x-user')).toBe('u1')
  expect(await lettersOf(site)).toEqual([])
})

test('resumed and restarted runs may have other retries and limits', async () => {
  const site = twoSteps()
  const key = `${site.id}-again`
  const options = { retries: 1, flowControl: { key, parallelism: 3 } }
  const [letter] = await fail(site, 1, { retryDelay: '100' })
  const [again] = await site.client.dlq.restart({ dlqId: [letter?.dlqId ?? ''], ...options })
  await endedAs(site, again?.workflowRunId ?? '', 'RUN_FAILED')
  expect(site.state).toMatchObject({ first: 2, second: 3 })
  expect(await site.qstashClient.flowControl.get(key)).toMatchObject({ parallelismMax: 3 })
  await site.client.dlq.delete({ filter: { label: site.id } })
})

test('restarted runs begin again, a page at a time', async () => {
  const site = twoSteps()
  await fail(site, 3)
  site.state.broken = false
  const filter = { label: site.id }
  const first = await site.client.dlq.restart({ filter, count: 2 })
  const second = await site.client.dlq.restart({ filter, count: 2 })
  expect([first.workflowRuns.length, second.workflowRuns.length]).toEqual([2, 1])
  for (const run of [...first.workflowRuns, ...second.workflowRuns]) await endedAs(site, run.workflowRunId)
  expect(site.state.first).toBe(6)
  expect(await lettersOf(site)).toEqual([])
})

test('a resumed parallel run repeats only the branch that failed and the wait that it cut off', async () => {
  const site = openSite()
  const ran: string[] = []
  let broken = true
  const url = site.workflow('/parallel', async (context) => {
    const results = await Promise.all([
      context.run('good', () => ran.push('good') && 'g'),
      context.run('bad', () => {
        ran.push('bad')
        if (broken) throw new Error('broken branch')
        return 'b'
      }),
      context.waitForEvent('wait', site.id, { timeout: '1d' }),
    ])
    await context.run('end', () => ran.push(`end ${results[0]}${results[1]}`))
  })
  // one at a time, so that the good branch and the wait are done before the bad one fails for good
  const flowControl = { key: site.id, parallelism: 1 }
  const { workflowRunId } = await site.client.trigger({ url, retries: 1, retryDelay: '1000', flowControl })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  broken = false
  const { workflowRuns } = await site.client.dlq.resume({ filter: { workflowRunId } })
  await until(async () => expect(await site.client.getWaiters({ eventId: site.id })).toHaveLength(1))
  await site.client.notify({ eventId: site.id })
  await endedAs(site, workflowRuns[0]?.workflowRunId ?? '')
  expect(ran).toEqual(['good', 'bad', 'bad', 'bad', 'end gb'])
})

test('a failure function that fails can be called again, until it has succeeded', async () => {
  const site = twoSteps()
  const failureFunction = vi.fn().mockRejectedValueOnce(new Error('down')).mockResolvedValue('up')
  const workflowUrl = site.workflow('/failing-twice', site.route, { failureFunction })
  await fail({ ...site, workflowUrl })
  const callback = async () => (await lettersOf(site))[0]
  await until(async () => expect((await callback())?.failureCallbackInfo?.state).toBe('CALLBACK_FAIL'))
  const failureFunctionState = 'CALLBACK_FAIL'
  const { messages } = await site.client.dlq.list({ filter: { label: site.id, failureFunctionState } })
  const dlqId = messages[0]?.dlqId ?? ''
  expect(await site.client.dlq.retryFailureFunction({ dlqId })).not.toHaveProperty('error')
  await until(async () =>
    expect((await callback())?.failureCallbackInfo).toMatchObject({
      state: 'CALLBACK_SUCCESS',
      responseStatus: 200,
    }),
  )
  const other = await site.client.dlq.list({ filter: { label: site.id, failureFunctionState } })
  expect(other.messages).toEqual([])
  await expect(site.client.dlq.retryFailureFunction({ dlqId })).rejects.toMatchObject({ status: 400 })
  expect(failureFunction).toHaveBeenCalledTimes(2)
})

test('dead letters can be deleted, one or those that match', async () => {
  const site = twoSteps()
  const [letter] = await fail(site, 3)
  expect(await site.client.dlq.delete(letter?.dlqId ?? '')).toMatchObject({ deleted: 1 })
  expect(await site.client.dlq.delete({ filter: { label: site.id } })).toMatchObject({ deleted: 2 })
  expect(await lettersOf(site)).toEqual([])
})

test('one dead letter can be read, resumed and deleted by its path', async () => {
  const site = twoSteps()
  const [first, second] = await fail(site, 2)
  site.state.broken = false
  const path = '/v2/workflows/dlq'
  const shown = await site.api(`${path}/${first?.dlqId}`)
  expect(await shown.json()).toMatchObject({ dlqId: first?.dlqId, workflowRunId: first?.workflowRunId })
  expect((await site.api(`${path}/resume/${first?.dlqId}`, { method: 'POST' })).ok).toBe(true)
  expect((await site.api(`${path}/${second?.dlqId}`, { method: 'DELETE' })).ok).toBe(true)
  expect(await lettersOf(site)).toEqual([])
  expect((await site.api(`${path}/${first?.dlqId}`)).status).toBe(404)
})
