import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'
import { expectError, unavailable } from './error-shape.ts'
import { describedRoutes, workflowRoutes, type Route } from './routes.ts'
import { lane } from '../support/lane.ts'

const everyRoute: readonly Route[] = [
  ...describedRoutes,
  ...workflowRoutes,
  { method: 'GET', path: '/openapi.json' },
  { method: 'GET', path: '/docs' },
  { method: 'GET', path: '/no-such-route' },
]

const required = [
  'APP_URL',
  'ENVIRONMENT',
  'ADMIN_TOKEN',
  'DATABASE_URL',
  'UPSTASH_REDIS_REST_URL',
  'UPSTASH_REDIS_REST_TOKEN',
  'QSTASH_URL',
  'QSTASH_TOKEN',
  'QSTASH_CURRENT_SIGNING_KEY',
  'QSTASH_NEXT_SIGNING_KEY',
  'AI_BASE_URL',
  'AI_API_KEY',
  'AI_MODEL',
]

const malformed: [name: string, value: string][] = [
  ...required.map((name): [string, string] => [name, '']),
  ['APP_URL', 'rounds.example'],
  ['APP_URL', 'ftp://rounds.example'],
  ['APP_URL', 'https://rounds.example/app'],
  ['APP_URL', 'https://rounds.example?to=here'],
  ['ENVIRONMENT', 'pro duction'],
  ['ADMIN_TOKEN', 'fifteen-letters'],
  ['ADMIN_TOKEN', 'a token with blanks in it'],
  ['DATABASE_URL', 'mysql://rounds:hunter2@db.example/rounds'],
  ['DATABASE_URL', 'postgres://'],
  ['DATABASE_URL', 'postgres://db.example/rounds'],
  ['DATABASE_URL', 'postgres://rounds:hunter2@db.example:port/rounds'],
  ['DATABASE_HTTP_URL', 'db.example/sql'],
  ['UPSTASH_REDIS_REST_URL', 'redis://:hunter2@cache.example'],
  ['UPSTASH_REDIS_REST_TOKEN', 'a token\nof two lines'],
  ['QSTASH_URL', 'qstash.example'],
  ['QSTASH_TOKEN', 'a token\nof two lines'],
  ['AI_BASE_URL', 'model.example/v1'],
  ['AI_API_KEY', 'a kéy'],
  ['AI_RESPONSE_FORMAT', 'xml'],
  ['MAIL_URL', 'mail.example'],
  ['MAIL_API_KEY', 'a key with blanks'],
  ['PAYMENTS_URL', 'payments.example'],
  ['PAYMENTS_API_KEY', 'a key\nof two lines'],
  ['FLOW_CONTROL_FACTOR', 'fast'],
  ['FLOW_CONTROL_FACTOR', '0'],
  ['FLOW_CONTROL_FACTOR', '-1'],
]

const app = createApp(registry, servicesOf)

async function ask(route: Route, bindings: Record<string, string | undefined>) {
  const { ADMIN_TOKEN, QSTASH_TOKEN = '' } = lane.bindings
  const ctx = createExecutionContext()
  const request = new Request(`https://rounds.test${route.path}`, {
    method: route.method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  const response = await app.fetch(request, { QSTASH_TOKEN, ...bindings }, ctx)
  await waitOnExecutionContext(ctx)
  return { status: response.status, body: await response.json() }
}

const sensitive = (bindings: Record<string, string | undefined>) =>
  Object.entries(bindings)
    .filter(([name]) => /TOKEN|KEY|DATABASE_URL/.test(name))
    .map(([, value]) => value ?? '')
    .filter((value) => value !== '')

describe('a Worker that is not configured', () => {
  test.for(required)('names the missing %s on every route', async (name) => {
    const bindings = { ...lane.bindings, [name]: undefined }
    for (const route of everyRoute) {
      const error = expectError(await ask(route, bindings), unavailable)
      expect(error.message).toContain(name)
      expect(error.details).toEqual({ variables: [name] })
    }
  })

  test.for(malformed)('names %s when it is "%s" and shows no secret', async ([name, value]) => {
    const bindings = { ...lane.bindings, [name]: value }
    for (const route of everyRoute) {
      const answer = await ask(route, bindings)
      const error = expectError(answer, unavailable)
      expect(error.details).toEqual({ variables: [name] })
      for (const secret of sensitive(bindings)) expect(JSON.stringify(answer.body)).not.toContain(secret)
    }
  })

  test('names everything that is missing at once', async () => {
    const bindings = { ENVIRONMENT: 'production', AI_MODEL: 'some-model', QSTASH_TOKEN: undefined }
    const error = expectError(await ask({ method: 'GET', path: '/health' }, bindings), unavailable)
    expect(error.details).toEqual({
      variables: required.filter((name) => !['ENVIRONMENT', 'AI_MODEL'].includes(name)),
    })
  })

  test('does without the optional settings', async () => {
    const bindings = { ...lane.bindings, AI_RESPONSE_FORMAT: undefined, FLOW_CONTROL_FACTOR: undefined }
    const answer = await ask({ method: 'GET', path: '/health' }, bindings)
    expect(answer).toEqual({ status: 200, body: { status: 'ok', environment: 'local' } })
  })
})
