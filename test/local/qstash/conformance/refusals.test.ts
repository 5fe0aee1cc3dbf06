import { expect } from 'vitest'
import { z } from 'zod'
import { gate } from '../support.ts'
import { endedAs, logOf, openSite, pass, test, until } from './support.ts'

const Published = z.object({ messageId: z.string(), deduplicated: z.boolean().optional() })

const step = JSON.stringify({ stepId: 1, stepName: 's', stepType: 'Run', out: '1', concurrent: 1 })

/** A run that is active until its gate is opened. */
async function heldRun() {
  const site = openSite()
  const { opened, open } = gate()
  let ran = 0
  const url = site.workflow('/held', async (context) => {
    await context.run('step', async () => {
      ran++
      await opened
    })
    return 'held'
  })
  const { workflowRunId } = await site.client.trigger({ url, workflowRunId: site.id })
  await until(() => expect(ran).toBe(1))
  return { ...site, url, open, workflowRunId, ran: () => ran }
}

test('a run id that is active starts no second run', async () => {
  const held = await heldRun()
  await held.client.trigger({ url: held.url, workflowRunId: held.id })
  await held.client.trigger([1, 2].map((body) => ({ url: held.url, body, workflowRunId: held.id })))
  await pass(1000)
  expect(held.ran()).toBe(1)
  held.open()
  await endedAs(held, held.workflowRunId)
  expect(held.received).toHaveLength(2)
  const { runs } = await held.client.logs({ filter: { workflowUrl: held.url } })
  expect(runs).toHaveLength(1)
})

test('a second start of an active run is told its message, by every interface', async () => {
  const held = await heldRun()
  const headers = { 'upstash-workflow-runid': held.workflowRunId, 'upstash-workflow-init': 'true' }
  const single = await held.api(`/v2/publish/${held.url}`, { method: 'POST', headers })
  const rest = await held.api(`/v2/trigger/${held.url}`, { method: 'POST', headers })
  const items = JSON.stringify([{ destination: held.url, headers }])
  const batch = await held.api('/v2/batch', { method: 'POST', body: items })
  expect([single.status, rest.ok, batch.ok]).toEqual([202, true, true])
  const published = Published.parse(await single.json())
  expect(published.deduplicated).toBe(true)
  expect(await batch.json()).toMatchObject([{ messageId: published.messageId, deduplicated: true }])
  expect(await rest.json()).toMatchObject({ workflowRunId: held.workflowRunId })
  const [first] = held.received
  expect(first?.headers.get('upstash-message-id')).toBe(published.messageId)
  held.open()
  await endedAs(held, held.workflowRunId)
})

test('a run that is unknown or has ended takes no step, and gives no log', async () => {
  const held = await heldRun()
  await held.client.cancel(held.workflowRunId)
  held.open()
  for (const runId of [held.workflowRunId, `wfr_unknown-${held.id}`]) {
    const headers = { 'upstash-workflow-runid': runId, 'upstash-workflow-init': 'false' }
    const answer = await held.api(`/v2/publish/${held.url}`, { method: 'POST', headers, body: step })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('can not append')
    const body = JSON.stringify({ url: held.url, timeout: '1h', step: JSON.parse(step) as unknown })
    expect((await held.api(`/v2/wait/${held.id}`, { method: 'POST', headers, body })).status).toBe(400)
    expect((await held.api(`/v2/workflows/runs/${runId}`)).status).toBe(404)
  }
})

test('a run that has ended may be ended again, and keeps its result', async () => {
  const held = await heldRun()
  held.open()
  await endedAs(held, held.workflowRunId)
  const path = `/v2/workflows/runs/${held.workflowRunId}`
  for (const cancel of ['false', 'true']) {
    const answer = await held.api(`${path}?cancel=${cancel}`, { method: 'DELETE', body: '"later"' })
    expect(answer.ok).toBe(true)
  }
  const run = await endedAs(held, held.workflowRunId)
  expect(run.workflowRunResponse).toBe('"held"')
})

const Item = z.looseObject({ messageId: z.string().optional(), error: z.string().optional() })

test.each([
  ['retries', { retries: 1_000_000 }],
  ['a delay', { delay: '400d' }],
  ['a rate period', { flowControl: { key: 'conf-refused', rate: 1, period: '8d' } }],
] as const)('%s over quota is refused with 412, and starts nothing', async (_, over) => {
  const site = openSite()
  const trigger = { url: `${site.url}/wf`, workflowRunId: site.id, ...over }
  await expect(site.client.trigger(trigger)).rejects.toMatchObject({ status: 412 })
  await expect(logOf(site, `wfr_${site.id}`)).rejects.toThrow('the logs do not have')
})

test('a step over quota fails its run at once', async () => {
  const site = openSite()
  const url = site.workflow('/over', async (context) => {
    await context.call('over', { url: `${site.url}/api`, retries: 1_000_000 })
  })
  const { workflowRunId } = await site.client.trigger({ url })
  await endedAs(site, workflowRunId, 'RUN_FAILED')
  expect(site.received[0]?.status).toBe(489)
})

test('a batch that fails in part answers as a success, with the error inside', async () => {
  const site = openSite()
  const url = site.workflow('/wf', async (context) => void (await context.run('step', () => 1)))
  const items = ['1', '99999', '2'].map((retries) => ({
    destination: url,
    headers: {
      'Upstash-Workflow-RunId': `wfr_${site.id}-${retries}`,
      'Upstash-Workflow-Init': 'true',
      'Upstash-Forward-Upstash-Workflow-Sdk-Version': '1',
      'Upstash-Retries': retries,
    },
  }))
  const answer = await site.api('/v2/batch', { method: 'POST', body: JSON.stringify(items) })
  expect(answer.status).toBe(200)
  const [first, second, third] = Item.array().parse(await answer.json())
  expect([first?.error, second?.error, third?.error]).toEqual([undefined, expect.any(String), undefined])
  for (const retries of ['1', '2']) await endedAs(site, `wfr_${site.id}-${retries}`)
  await expect(logOf(site, `wfr_${site.id}-99999`)).rejects.toThrow('the logs do not have')
})
