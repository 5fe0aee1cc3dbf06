import { describe, expect } from 'vitest'
import { z } from 'zod'
import { endedAs, openSite, test, until } from './support.ts'

const Started = z.object({ workflowRunId: z.string(), workflowCreatedAt: z.number() })

describe('the client', () => {
  test('starts a run with its payload, headers, labels and id', async () => {
    const site = openSite()
    const { workflow, client, id } = site
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
      label: [id, 'b'],
      workflowRunId: id,
    })
    expect(workflowRunId).toBe(`wfr_${id}`)
    await endedAs(site, workflowRunId)
    expect(seen).toEqual([
      { requestPayload: { text: 'smörgåsbord 🥪' }, user: 'u1', labels: [id, 'b'], workflowRunId },
    ])
  })

  test('starts a run for each of an array', async () => {
    const site = openSite()
    const payloads = new Set<unknown>()
    const url = site.workflow('/many', async (context) => {
      await context.run('note', () => payloads.add(context.requestPayload).size)
    })
    const runs = await site.client.trigger([{ url, body: 1 }, { url, body: '2 as text' }, { url }])
    expect(new Set(runs.map((run) => run.workflowRunId)).size).toBe(3)
    for (const { workflowRunId } of runs) await endedAs(site, workflowRunId)
    expect(payloads).toEqual(new Set([1, '2 as text', undefined]))
  })

  test.each([
    ['a delay', () => ({ delay: '1s' }) as const, 950],
    ['a time', () => ({ notBefore: Math.ceil(Date.now() / 1000) + 1 }), 950],
  ])('can have a run wait for %s', async (_, when, leastMs) => {
    const site = openSite()
    const url = site.workflow('/later', async (context) => {
      await context.run('step', () => 'ok')
    })
    const triggeredAt = Date.now()
    const { workflowRunId } = await site.client.trigger({ url, ...when() })
    await endedAs(site, workflowRunId)
    expect((site.received[0]?.at ?? 0) - triggeredAt).toBeGreaterThan(leastMs)
  })
})

describe('the REST interface', () => {
  test('starts a run without an extra delivery', async () => {
    const site = openSite()
    const seen: unknown[] = []
    const url = site.workflow('/rest', async (context) => {
      await context.run('step', () => 1)
      seen.push([context.requestPayload, context.headers.get('x-user'), context.labels])
    })
    const headers = {
      'upstash-forward-x-user': 'u1',
      'upstash-label': site.id,
      'upstash-workflow-runid': `wfr_${site.id}`,
    }
    const answer = await site.api(`/v2/trigger/${url}`, { method: 'POST', body: '{"n":1}', headers })
    const { workflowRunId, workflowCreatedAt } = Started.parse(await answer.json())
    expect(workflowRunId).toBe(`wfr_${site.id}`)
    const run = await endedAs(site, workflowRunId)
    expect(run.workflowRunCreatedAt).toBe(workflowCreatedAt)
    expect(seen).toEqual([[{ n: 1 }, 'u1', [site.id]]])
    expect(site.received).toHaveLength(2)
  })

  test('takes a batch', async () => {
    const site = openSite()
    const payloads: unknown[] = []
    const url = site.workflow('/rest', async (context) => {
      await context.run('step', () => payloads.push(context.requestPayload))
    })
    const body = JSON.stringify([{ destination: url }, { destination: url, body: 'x' }])
    const answer = await site.api('/v2/batch/trigger', { method: 'POST', body })
    expect(answer.status).toBe(201)
    for (const { workflowRunId } of z.array(Started).parse(await answer.json())) {
      await endedAs(site, workflowRunId)
    }
    expect(new Set(payloads)).toEqual(new Set([undefined, 'x']))
  })

  test('makes one more delivery to an unknown SDK, and keeps its run, retries and failure callback', async () => {
    const site = openSite()
    const failed: unknown[] = []
    let ran = 0
    const url = site.workflow(
      '/unknown',
      async (context) => {
        await context.run('step', () => {
          ran++
          throw new Error('no')
        })
      },
      { failureFunction: async ({ context }) => void failed.push(context.requestPayload) },
    )
    const answer = await site.api(`/v2/trigger/${url}`, {
      method: 'POST',
      body: 'payload',
      headers: {
        'upstash-workflow-unknown-sdk': 'true',
        'upstash-retries': '0',
        'upstash-failure-callback': url,
      },
    })
    await endedAs(site, Started.parse(await answer.json()).workflowRunId, 'RUN_FAILED')
    await until(() => expect([ran, failed]).toEqual([1, ['payload']]))
    // the extra one, the payload with the step, the failure callback
    expect(site.received).toHaveLength(3)
  })
})

describe('a plain message', () => {
  test('to an endpoint starts a run, with one more delivery', async () => {
    const { workflow, qstashClient, received } = openSite()
    const seen: unknown[] = []
    const url = workflow('/plain', async (context) => {
      await context.run('step', () => 1)
      seen.push([context.requestPayload, context.headers.get('x-user')])
    })
    await qstashClient.publishJSON({ url, body: { n: 1 }, headers: { 'x-user': 'u1' } })
    await until(() => expect(seen).toEqual([[{ n: 1 }, 'u1']]))
    expect(received).toHaveLength(3)
  })

  test('starts a run with three retries and no failure function, whatever it has itself', async () => {
    const site = openSite()
    const { workflow, qstashClient, received } = site
    let failures = 0
    const url = workflow(
      '/plain',
      async (context) => {
        await context.run('step', () => {
          throw new Error('broken')
        })
      },
      { failureFunction: async () => void failures++ },
    )
    await qstashClient.publishJSON({ url, retries: 0 })
    await until(() => expect(received.filter(({ status }) => status === 500)).toHaveLength(1))
    const runId = received.at(-1)?.headers.get('upstash-workflow-runid') ?? ''
    await until(async () => {
      const { runs } = await site.client.logs({ filter: { workflowRunId: runId } })
      // 3 retries again, the first of which comes after 12 seconds
      expect(runs[0]?.steps.at(-1)).toMatchObject({
        type: 'next',
        steps: [{ state: 'STEP_RETRY', retries: 3 }],
      })
    })
    expect(failures).toBe(0)
    await site.client.cancel(runId)
  })
})
