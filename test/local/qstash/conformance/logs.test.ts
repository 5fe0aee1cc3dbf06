import { expect } from 'vitest'
import { z } from 'zod'
import { endedAs, logOf, openSite, test, until } from './support.ts'

const Runs = z.object({ runs: z.array(z.object({ workflowRunId: z.string() })) })

test('the log of a run shows its steps, its response and its labels', async () => {
  const site = openSite()
  const url = site.workflow('/logged', async (context) => {
    await context.run('one', () => 'first')
    await Promise.all([context.run('left', () => 1), context.run('right', () => 2)])
    return { done: true }
  })
  const label = [site.id, 'b']
  const { workflowRunId } = await site.client.trigger({ url, body: { n: 1 }, label, retries: 1 })
  const run = await endedAs(site, workflowRunId)
  const done = { state: 'STEP_SUCCESS', callType: 'step' }
  expect(run).toMatchObject({
    workflowUrl: url,
    workflowRunResponse: '{"done":true}',
    label: site.id,
    labels: label,
    steps: [
      {
        type: 'sequential',
        steps: [{ stepName: 'init', stepType: 'Initial', out: '{"n":1}', retries: 1, ...done }],
      },
      {
        type: 'sequential',
        steps: [{ stepId: 1, stepName: 'one', stepType: 'Run', out: '"first"', concurrent: 1, ...done }],
      },
      {
        type: 'parallel',
        steps: [
          { stepId: 2, stepName: 'left', out: '1', concurrent: 2, ...done },
          { stepId: 3, stepName: 'right', out: '2', concurrent: 2, ...done },
        ],
      },
    ],
  })
  expect(run.steps).toHaveLength(3)
  expect(run.workflowRunCompletedAt).toBeGreaterThanOrEqual(run.workflowRunCreatedAt)
})

test('a step that is being retried is shown with its errors', async () => {
  const site = openSite()
  const url = site.workflow('/retrying', async (context) => {
    await context.run('breaks', () => {
      throw new Error('broken')
    })
  })
  const { workflowRunId } = await site.client.trigger({ url, retryDelay: '60000' })
  const errors = [{ status: 500, body: expect.stringContaining('broken') }]
  const next = { state: 'STEP_RETRY', stepName: 'breaks', retries: 3, retryDelay: '60000', errors }
  await until(async () => {
    const run = await logOf(site, workflowRunId)
    expect(run.workflowState).toBe('RUN_STARTED')
    expect(run.steps.at(-1)).toMatchObject({ type: 'next', steps: [next] })
  })
  await site.client.cancel(workflowRunId)
  const run = await endedAs(site, workflowRunId, 'RUN_CANCELED')
  expect(run.steps.at(-1)).toMatchObject({ type: 'next', steps: [{ state: 'STEP_CANCELED' }] })
})

test('the step that failed a run is shown as failed, also as a branch', async () => {
  const site = openSite()
  const url = site.workflow('/failing', async (context) => {
    await Promise.all([
      context.run('good', () => 1),
      context.run('bad', () => {
        throw new Error('broken branch')
      }),
    ])
  })
  // one at a time, so that the good branch is done before the bad one fails
  const flowControl = { key: site.id, parallelism: 1 }
  const { workflowRunId } = await site.client.trigger({ url, retries: 0, flowControl })
  const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
  const group = run.steps.find(({ type }) => type === 'parallel')
  const errors = [{ body: expect.stringContaining('broken branch') }]
  expect(group?.steps).toMatchObject([
    { stepName: 'good', state: 'STEP_SUCCESS' },
    { stepName: 'bad', state: 'STEP_FAILED', errors },
  ])
})

test('a wait is shown while it lasts', async () => {
  const site = openSite()
  const url = site.workflow('/waiting', async (context) => {
    await context.waitForEvent('wait', site.id, { timeout: '1h' })
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await until(async () => {
    const run = await logOf(site, workflowRunId)
    expect(run.steps.at(-1)?.steps[0]).toMatchObject({
      stepName: 'wait',
      stepType: 'Wait',
      state: 'STEP_PROGRESS',
      waitEventId: site.id,
      waitTimeoutDuration: '1h',
    })
  })
  await site.client.cancel(workflowRunId)
})

test('a call is shown with its request and its response', async () => {
  const site = openSite()
  site.app.post('/api', (c) => c.text('pong', 202))
  const url = site.workflow('/calling', async (context) => {
    await context.call('ping', { url: `${site.url}/api`, method: 'POST', body: 'ping' })
  })
  const { workflowRunId } = await site.client.trigger({ url })
  const run = await endedAs(site, workflowRunId)
  expect(run.steps[1]?.steps[0]).toMatchObject({
    stepName: 'ping',
    stepType: 'Call',
    state: 'STEP_SUCCESS',
    callUrl: `${site.url}/api`,
    callMethod: 'POST',
    callBody: 'ping',
    callResponseStatus: 202,
    callResponseBody: 'pong',
  })
})

test('redacted fields are not shown', async () => {
  const site = openSite()
  const url = site.workflow('/redacted', async (context) => {
    await context.run('step', () => 'secret')
    return 'secret'
  })
  const { workflowRunId } = await site.client.trigger({
    url,
    body: 'secret',
    headers: { 'x-key': 'secret', 'x-user': 'u1' },
    redact: { body: true, header: ['X-Key'] },
  })
  const run = await endedAs(site, workflowRunId)
  expect(JSON.stringify(run)).not.toContain('secret')
  expect(run.steps[0]?.steps[0]).toMatchObject({ headers: { 'X-User': ['u1'] } })
})

/** Runs that have ended, the last of them with another label. */
async function endedRuns() {
  const site = openSite()
  const url = site.workflow('/listed', async (context) => {
    await context.run('step', () => context.requestPayload)
  })
  const names = ['1', '2', '3', '4', '5']
  for (const name of names) {
    const label = `${site.id}-${name < '5' ? 'some' : 'other'}`
    const run = await site.client.trigger({ url, workflowRunId: `${site.id}-${name}`, label })
    await endedAs(site, run.workflowRunId)
  }
  return { ...site, endpoint: url, nameOf: (runId: string) => runId.slice(`wfr_${site.id}-`.length) }
}

test('logs are paged, newest first', async () => {
  const site = await endedRuns()
  const filter = { workflowUrl: site.endpoint }
  const seen: string[][] = []
  let cursor: string | undefined
  do {
    const page = await site.client.logs({ filter, count: 2, ...(cursor !== undefined && { cursor }) })
    seen.push(page.runs.map((run) => site.nameOf(run.workflowRunId)))
    cursor = page.cursor
  } while (cursor)
  expect(seen.filter((page) => page.length > 0)).toEqual([['5', '4'], ['3', '2'], ['1']])
})

test('logs are filtered by label, state, URL, id and creation, which must all match', async () => {
  const site = await endedRuns()
  const { client, id, endpoint: workflowUrl } = site
  const label = `${id}-some`
  const found = async (filter: NonNullable<Parameters<typeof client.logs>[0]>['filter'] & object) => {
    const { runs } = await client.logs({ filter })
    return runs.map((run) => site.nameOf(run.workflowRunId))
  }
  expect(await found({ label })).toEqual(['4', '3', '2', '1'])
  expect(await found({ label, state: 'RUN_SUCCESS', workflowUrl })).toEqual(['4', '3', '2', '1'])
  expect(await found({ label, state: 'RUN_FAILED' })).toEqual([])
  expect(await found({ label, workflowUrl: `${workflowUrl}/other` })).toEqual([])
  const { host, pathname: path } = new URL(workflowUrl)
  expect(await found({ label, host, path })).toEqual(['4', '3', '2', '1'])
  expect(await found({ label, host: 'example.com', path })).toEqual([])
  expect(await found({ label, fromDate: Date.now() - 60_000 })).toEqual(['4', '3', '2', '1'])
  expect(await found({ label, toDate: Date.now() - 60_000 })).toEqual([])
  const workflowRunId = `wfr_${id}-2`
  const { workflowRunCreatedAt: workflowCreatedAt } = await logOf(site, workflowRunId)
  expect(await found({ workflowRunId, workflowCreatedAt })).toEqual(['2'])
  expect(await found({ workflowRunId, workflowCreatedAt: workflowCreatedAt - 1 })).toEqual([])
  const answer = await site.api(`/v2/workflows/logs?label=${id}-other`)
  expect(Runs.parse(await answer.json()).runs.map((run) => site.nameOf(run.workflowRunId))).toEqual(['5'])
})
