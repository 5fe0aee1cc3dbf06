import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startQstash } from './index.ts'
import { startBench } from './support.ts'

const Answer = z.object({ error: z.string() })

describe('access', () => {
  test('every request needs the token, also those that only this server knows', async () => {
    const { qstash } = await startBench()
    for (const path of ['/local/stats', '/nowhere']) {
      const answer = await fetch(qstash.url + path, { headers: { authorization: 'Bearer wrong' } })
      expect(answer.status).toBe(401)
      expect(Answer.parse(await answer.json()).error).toContain('unauthorized')
    }
  })

  test('the server may have other keys', async () => {
    const { api, qstash } = await startBench({ currentSigningKey: 'sig_a', nextSigningKey: 'sig_b' })
    expect(await (await api('/v2/keys')).json()).toEqual({ current: 'sig_a', next: 'sig_b' })
    expect(qstash.currentSigningKey).toBe('sig_a')
  })
})

describe('refusals', () => {
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
