import { Receiver } from '@upstash/qstash'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startQstash } from './index.ts'
import { gate, startBench } from './support.ts'

const Answer = z.object({ error: z.string() })

describe('access', () => {
  test('every request needs the token', async () => {
    const { qstash } = await startBench()
    for (const path of ['/v2/keys', '/v2/batch', '/local/stats', '/nowhere']) {
      const answer = await fetch(qstash.url + path, { headers: { authorization: 'Bearer wrong' } })
      expect(answer.status).toBe(401)
      expect(Answer.parse(await answer.json()).error).toContain('unauthorized')
    }
  })

  test('the signing keys are told', async () => {
    const { api, qstash } = await startBench({ currentSigningKey: 'sig_a', nextSigningKey: 'sig_b' })
    expect(await (await api('/v2/keys')).json()).toEqual({ current: 'sig_a', next: 'sig_b' })
    expect(qstash.currentSigningKey).toBe('sig_a')
  })
})

describe('signatures', () => {
  test('an endpoint with other keys refuses the delivery', async () => {
    const { workflow, client, qstash } = await startBench()
    const keys = { QSTASH_CURRENT_SIGNING_KEY: 'sig_other', QSTASH_NEXT_SIGNING_KEY: 'sig_another' }
    const env = { QSTASH_URL: qstash.url, QSTASH_TOKEN: qstash.token, ...keys }
    let ran = 0
    const url = workflow('/closed', async (context) => void (await context.run('step', () => ran++)), { env })
    await client.trigger({ url, retries: 0 })
    await qstash.idle()
    expect(ran).toBe(0)
    expect(qstash.runs()[0]?.workflowState).toBe('RUN_FAILED')
  })

  test('a signature holds for its body and its URL only', async () => {
    const { app, url, qstash, qstashClient } = await startBench()
    const { opened, open } = gate()
    let signature = ''
    app.post('/signed', (c) => {
      signature = c.req.header('upstash-signature') ?? ''
      open()
      return c.text('ok')
    })
    await qstashClient.publish({ url: `${url}/signed`, body: 'pay 10' })
    await opened
    const receiver = new Receiver(qstash)
    const verify = (body: string, target: string) => receiver.verify({ signature, body, url: target })
    expect(await verify('pay 10', `${url}/signed`)).toBe(true)
    await expect(verify('pay 99', `${url}/signed`)).rejects.toThrow('body hash')
    await expect(verify('pay 10', `${url}/other`)).rejects.toThrow('subject')
  })
})

const itemWithRetries = (retries: string) => ({
  destination: 'http://worker.local/wf',
  headers: {
    'Upstash-Workflow-RunId': `wfr_${retries}`,
    'Upstash-Workflow-Init': 'true',
    'Upstash-Retries': retries,
  },
})

describe('refusals', () => {
  test.each([
    ['retries', { retries: 1_000_000 }],
    ['delay', { delay: '400d' }],
    ['period', { flowControl: { key: 'k', rate: 1, period: '8d' } }],
    ['body', { body: 'x'.repeat(2000) }],
  ] as const)('a value over quota (%s) is refused with 412', async (_, over) => {
    const { client, qstash } = await startBench({ maxMessageBytes: 1000 })
    const refused = client.trigger({ url: 'http://worker.local/wf', ...over })
    await expect(refused).rejects.toMatchObject({ status: 412 })
    expect(qstash.runs()).toEqual([])
  })

  test('a batch that fails in part answers as a success, with the error inside', async () => {
    const { api, qstash } = await startBench({ mode: 'pull' })
    const body = JSON.stringify(['1', '99999', '2'].map(itemWithRetries))
    const answer = await api('/v2/batch', { method: 'POST', body })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject([
      { messageId: expect.any(String), workflowRunId: 'wfr_1' },
      { error: expect.stringContaining('over quota') },
      { workflowRunId: 'wfr_2' },
    ])
    expect(qstash.runs()).toHaveLength(2)
  })

  test('a step for a run that is unknown or has ended is refused with 400', async () => {
    const { api, client, qstash } = await startBench({ mode: 'pull' })
    const { workflowRunId } = await client.trigger({ url: 'http://worker.local/wf' })
    await client.cancel(workflowRunId)
    for (const runId of [workflowRunId, 'wfr_unknown']) {
      const answer = await api('/v2/publish/http://worker.local/wf', {
        method: 'POST',
        headers: { 'upstash-workflow-runid': runId, 'upstash-workflow-init': 'false' },
        body: JSON.stringify({ stepId: 1, stepName: 's', stepType: 'Run', concurrent: 1 }),
      })
      expect(answer.status).toBe(400)
      expect(Answer.parse(await answer.json()).error).toContain('can not append')
      expect((await api(`/v2/workflows/runs/${runId}`)).status).toBe(404)
    }
    expect(qstash.stats().deliveries).toBe(0)
  })

  test.each([
    ['POST', '/v2/batch', 'no json', 400],
    ['POST', '/v2/batch', '{}', 400],
    ['POST', '/v2/batch', '[{}]', 400],
    ['POST', '/v2/batch', '[null, 7]', 400],
    ['POST', '/v2/batch', '[{"destination":"nowhere"}]', 400],
    ['POST', '/v2/batch', '[{"destination":"http://a/b","headers":{"Upstash-Delay":"soon"}}]', 400],
    ['POST', '/v2/batch', '[{"destination":"http://a/b","headers":{"Upstash-Retries":"-1"}}]', 400],
    ['POST', '/v2/batch', '[{"destination":"http://a/b","headers":{"Upstash-Retry-Delay":"exit()"}}]', 400],
    ['POST', '/v2/batch', '[{"destination":"http://a/b","headers":{"Upstash-Method":"BREW"}}]', 400],
    ['POST', '/v2/batch', '[{"destination":"http://a/b","headers":{"Upstash-Not-Before":"x"}}]', 400],
    ['POST', '/v2/publish/topic', '', 400],
    ['POST', '/v2/publish/http%3A%2F%2F%zz', '', 400],
    ['POST', '/v2/wait/event', '[]', 400],
    ['GET', '/v2/workflows/events?cursor=x', undefined, 400],
    ['GET', '/v2/flowControl/unknown', undefined, 404],
    ['POST', '/v2/flowControl/k/pin?parallelism=0', '', 400],
    ['POST', '/v2/workflows/dlq/resume/unknown', '', 404],
    ['POST', '/local/clock/advance', '{"ms":"1"}', 400],
    ['POST', '/local/drop', '{"runId":"wfr_unknown"}', 404],
    ['GET', '/v3/unknown', undefined, 404],
  ])('%s %s with %s is answered with %i and an error', async (method, path, body, status) => {
    const { api } = await startBench()
    const answer = await api(path, { method, ...(body !== undefined && { body }) })
    expect(answer.status).toBe(status)
    expect(Answer.parse(await answer.json()).error).not.toBe('')
  })
})

test('a port that is in use is an error of the start', async () => {
  const { qstash } = await startBench()
  await expect(startQstash({ port: qstash.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
