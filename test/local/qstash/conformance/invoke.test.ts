import { createWorkflow, serveMany } from '@upstash/workflow/hono'
import { createMiddleware } from 'hono/factory'
import { expect } from 'vitest'
import { endpointEnv } from '../support.ts'
import { endedAs, logOf, openSite, pass, type Site, test, until } from './support.ts'

/** Mounts workflows that may invoke each other, and gives their URL. */
function serveAll({ app, qstash, url }: Site, workflows: Parameters<typeof serveMany>[0]) {
  // As a Worker gets its environment: serveMany takes it from nowhere else.
  const withEnv = createMiddleware(async (c, next) => {
    Object.assign(c.env, endpointEnv(qstash))
    await next()
  })
  app.post('/wf/:id', withEnv, serveMany(workflows, { baseUrl: new URL(url).origin }))
  return (name: string) => `${url}/wf/${name}`
}

const response = (run: { workflowRunResponse?: string }): unknown => JSON.parse(run.workflowRunResponse ?? '')

const failing = createWorkflow(async (context) => {
  await context.run('fail', () => {
    throw new Error('no')
  })
})

test('an invoked run gets its payload and headers, and hands over its result', async () => {
  const site = openSite()
  const child = createWorkflow<{ n: number }>(async (context) => {
    const doubled = await context.run('double', () => context.requestPayload.n * 2)
    return { doubled, from: context.headers.get('x-from'), labels: context.labels }
  })
  const parent = createWorkflow(async (context) => {
    const headers = { 'x-from': 'parent' }
    const invoked = [1, 2].map((n) =>
      context.invoke(`child ${n}`, { workflow: child, body: { n }, headers, label: site.id }),
    )
    return Promise.all(invoked)
  })
  const urlOf = serveAll(site, { parent, child })
  const { workflowRunId } = await site.client.trigger({ url: urlOf('parent') })
  const ok = { isFailed: false, isCanceled: false }
  const seen = { from: 'parent', labels: [site.id] }
  expect(response(await endedAs(site, workflowRunId))).toEqual([
    { body: { doubled: 2, ...seen }, ...ok },
    { body: { doubled: 4, ...seen }, ...ok },
  ])
  const { runs } = await site.client.logs({ filter: { workflowUrl: urlOf('child') } })
  expect(runs.map(({ invoker }) => invoker?.workflowRunId)).toEqual([workflowRunId, workflowRunId])
})

test('an invoked run that fails or is cancelled says so, without a result', async () => {
  const site = openSite()
  const cancelling = createWorkflow(async (context) => {
    await context.run('first', () => 1)
    await context.cancel()
  })
  const parent = createWorkflow(async (context) => [
    await context.invoke('failing', { workflow: failing, body: undefined, retries: 0 }),
    await context.invoke('cancelling', { workflow: cancelling, body: undefined }),
  ])
  const urlOf = serveAll(site, { parent, failing, cancelling })
  const { workflowRunId } = await site.client.trigger({ url: urlOf('parent') })
  expect(response(await endedAs(site, workflowRunId))).toEqual([
    { isFailed: true, isCanceled: false },
    { isFailed: false, isCanceled: true },
  ])
})

test('the failure function of an invoked run is called as of any other', async () => {
  const site = openSite()
  const failures: unknown[] = []
  const failingLoudly = createWorkflow(
    async (context) => {
      await context.run('fail', () => {
        throw new Error('no')
      })
    },
    {
      failureFunction: async ({ context, failResponse }) => {
        failures.push([context.requestPayload, failResponse])
      },
    },
  )
  const parent = createWorkflow(async (context) => {
    await context.invoke('child', { workflow: failingLoudly, body: 'payload', retries: 0 })
  })
  const urlOf = serveAll(site, { parent, failingLoudly })
  const { workflowRunId } = await site.client.trigger({ url: urlOf('parent') })
  await endedAs(site, workflowRunId)
  await until(() => expect(failures).toEqual([['payload', 'no']]))
})

test('an invoked run counts how deep it is, at every delivery, after a wait and in its calls', async () => {
  const site = openSite()
  site.app.get('/api', (c) => c.text('ok'))
  const leaf = createWorkflow(async (context) => {
    await context.waitForEvent('wait', site.id, { timeout: '1s' })
    await context.call('call', { url: `${site.url}/api` })
    return 'leaf'
  })
  const middle = createWorkflow(async (context) => {
    const { body } = await context.invoke('leaf', { workflow: leaf, body: undefined })
    await context.run('after', () => 'ok')
    return body
  })
  const top = createWorkflow(async (context) => {
    return (await context.invoke('middle', { workflow: middle, body: undefined })).body
  })
  const urlOf = serveAll(site, { top, middle, leaf })
  const { workflowRunId } = await site.client.trigger({ url: urlOf('top') })
  expect(response(await endedAs(site, workflowRunId))).toBe('leaf')
  const countsOf = (path: string) =>
    site.received
      .filter((request) => request.path === path)
      .map(({ headers }) => headers.get('upstash-workflow-invoke-count'))
  expect(countsOf('/wf/middle')).toEqual(['1', '1', '1'])
  // the payload, the end of the wait, the answer to the call, its result
  expect(countsOf('/wf/leaf')).toEqual(['2', '2', '2', '2'])
  expect(countsOf('/api')).toEqual(['2'])
})

test('a run that has ended is not woken by the run that it invoked', async () => {
  const site = openSite()
  const child = createWorkflow(async (context) => {
    await context.sleep('a second', 1)
    return 'late'
  })
  const parent = createWorkflow(async (context) => {
    await context.invoke('child', { workflow: child, body: undefined, workflowRunId: site.id })
  })
  const urlOf = serveAll(site, { parent, child })
  const { workflowRunId } = await site.client.trigger({ url: urlOf('parent') })
  await until(() => expect(site.received).toHaveLength(2))
  await site.client.cancel(workflowRunId)
  expect(response(await endedAs(site, `wfr_${site.id}`))).toBe('late')
  await pass(500)
  expect(site.received.filter(({ path }) => path === '/wf/parent')).toHaveLength(1)
})

test('a run that is invoked too deep is refused', async () => {
  const site = openSite()
  const url = site.workflow('/parent', async (context) => {
    await context.waitForEvent('wait', site.id, { timeout: '1m' })
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await until(() => expect(site.received[0]?.status).toBe(200))
  const invoke = async (depth: string) => {
    const headers = {
      'upstash-workflow-init': 'true',
      'upstash-workflow-invoke': 'true',
      'upstash-workflow-runid': `wfr_${site.id}-${depth}`,
      'upstash-forward-upstash-workflow-sdk-version': '1',
      'upstash-forward-upstash-workflow-invoke-count': depth,
    }
    const step = { stepId: 1, stepName: 'child', stepType: 'Invoke', concurrent: 1 }
    const { workflowRunCreatedAt } = await logOf(site, workflowRunId)
    const body = JSON.stringify({
      headers: {},
      workflowRunId,
      workflowRunCreatedAt,
      workflowUrl: url,
      step,
    })
    return site.api(`/v2/publish/${site.url}/child`, { method: 'POST', headers, body })
  }
  expect((await invoke('100')).ok).toBe(true)
  expect((await invoke('101')).status).toBeGreaterThanOrEqual(400)
  await site.client.cancel([workflowRunId, `wfr_${site.id}-100`])
})
