import { WorkflowNonRetryableError } from '@upstash/workflow'
import { expect } from 'vitest'
import { z } from 'zod'
import { Base64Text, endedAs, openSite, pass, test, until } from './support.ts'

const Report = z.looseObject({
  status: z.number(),
  header: z.record(z.string(), z.array(z.string())),
  body: Base64Text,
  url: z.string(),
  sourceBody: Base64Text,
  workflowRunId: z.string(),
  workflowCreatedAt: z.number(),
  dlqId: z.string(),
})

const breaking = () => {
  throw new Error('second is broken')
}

test('the failure function gets the payload, the error and the headers of the run', async () => {
  const site = openSite()
  const failures: unknown[] = []
  const url = site.workflow(
    '/failing',
    async (context) => {
      await context.run('first', () => 1)
      await context.run('second', breaking)
    },
    {
      failureFunction: async ({ context, failStatus, failResponse }) => {
        failures.push({
          runId: context.workflowRunId,
          payload: context.requestPayload,
          user: context.headers.get('x-user'),
          labels: context.labels,
          failStatus,
          failResponse,
        })
        return 'noted'
      },
    },
  )
  const { workflowRunId } = await site.client.trigger({
    url,
    body: { n: 1 },
    retries: 1,
    retryDelay: '100',
    headers: { 'x-user': 'u1' },
    label: site.id,
  })
  await until(async () => {
    const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
    expect(run.failureFunction).toMatchObject({
      state: 'CALLBACK_SUCCESS',
      failStatus: 500,
      responseBody: '{"result":"noted"}',
    })
  })
  const context = { runId: workflowRunId, payload: { n: 1 }, user: 'u1', labels: [site.id] }
  expect(failures).toEqual([{ ...context, failStatus: 500, failResponse: 'second is broken' }])
  // the payload with the first step, the second step twice, the failure
  expect(site.received).toHaveLength(4)
})

test('a failure is told as a report on the run, with its last answer and its payload', async () => {
  const site = openSite()
  site.app.post('/elsewhere', (c) => c.text('ok'))
  const url = site.workflow('/failing', async (context) => void (await context.run('second', breaking)))
  const { workflowRunId } = await site.client.trigger({
    url,
    body: 'payload',
    retries: 0,
    headers: { 'x-user': 'u1' },
    failureUrl: `${site.url}/elsewhere`,
  })
  const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
  await until(() => expect(site.received.at(-1)?.path).toBe('/elsewhere'))
  const told = site.received.at(-1)
  const report = Report.parse(JSON.parse(told?.body ?? ''))
  expect(report).toMatchObject({ status: 500, url, sourceBody: 'payload', workflowRunId })
  expect(report).toMatchObject({ workflowCreatedAt: run.workflowRunCreatedAt, dlqId: run.dlqId })
  expect(JSON.parse(report.body)).toMatchObject({ error: 'Error', message: 'second is broken' })
  expect(report.header['Upstash-Workflow-Sdk-Version']).toEqual(['1'])
  const header = (name: string) => told?.headers.get(name)
  expect(header('upstash-workflow-is-failure')).toBe('true')
  expect(header('upstash-workflow-failure-callback')).toBe('true')
  expect(header('upstash-workflow-runid')).toBe(workflowRunId)
  expect(header('x-user')).toBe('u1')
  expect(header('upstash-workflow-sdk-version')).toBeNull()
})

test('a run without failure function just fails', async () => {
  const site = openSite()
  const url = site.workflow('/failing', async (context) => void (await context.run('second', breaking)))
  const { workflowRunId } = await site.client.trigger({ url, retries: 0 })
  await until(() => expect(site.received.map(({ status }) => status)).toEqual([500, 200]))
  await until(async () => {
    const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
    expect(run.failureFunction).toBeUndefined()
  })
})

test('an error that is said to be final fails the run at once', async () => {
  const site = openSite()
  const url = site.workflow('/never', async (context) => {
    await context.run('step', () => {
      throw new WorkflowNonRetryableError('never')
    })
  })
  const { workflowRunId } = await site.client.trigger({ url, retryDelay: '1' })
  const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
  await pass(1000)
  expect(site.received.map(({ status }) => status)).toEqual([489, 200])
  expect(run.dlqId).toEqual(expect.any(String))
})

test('a failure function that fails is retried as often as the run', async () => {
  const site = openSite()
  let calls = 0
  const url = site.workflow('/failing', async (context) => void (await context.run('second', breaking)), {
    failureFunction: async () => {
      if (++calls < 3) throw new Error('down')
      return 'up'
    },
  })
  const { workflowRunId } = await site.client.trigger({ url, retries: 2, retryDelay: '100' })
  await until(async () => {
    const run = await endedAs(site, workflowRunId, 'RUN_FAILED')
    expect(run.failureFunction?.state).toBe('CALLBACK_SUCCESS')
  })
  expect(calls).toBe(3)
})

test('what a run still waits for ends with its failure', async () => {
  const site = openSite()
  const url = site.workflow('/parallel', async (context) => {
    await Promise.all([
      context.waitForEvent('wait', site.id, { timeout: '1h' }),
      context.sleep('sleep', 2),
      context.run('bad', async () => {
        await until(async () => {
          expect(await site.client.getWaiters({ eventId: site.id })).toHaveLength(1)
        })
        breaking()
      }),
    ])
  })
  const { workflowRunId } = await site.client.trigger({ url, retries: 0 })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  await until(async () => expect((await site.client.getWaiters({ eventId: site.id })) ?? []).toEqual([]))
  await pass(2000)
  // the payload, the plans of the wait and of the branch, the failure: no wake-up
  expect(site.received).toHaveLength(4)
})
