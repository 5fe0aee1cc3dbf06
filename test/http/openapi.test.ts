import { beforeEach, describe, expect, test } from 'vitest'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { prepared, send, type Call } from './calls.ts'
import { adminOperations, expectDocumented, operations, type Operation } from './document.ts'
import { expectError, forbidden, invalidRequest, unauthorized } from './error-shape.ts'
import { examples } from './examples.ts'
import { bearer } from './bearer.ts'

beforeEach(resetEverything)

const writing = adminOperations.filter(({ method }) => method !== 'GET')
const named: [string, Operation][] = operations.map((operation) => [operation.operationId, operation])

/** A call that needs nothing to be there. */
const anyCall = ({ path }: Operation): Call => ({
  params: Object.fromEntries(
    [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [
      name,
      name === 'id' ? '01a00000-0000-7000-8000-000000000000' : 'agent-welcome',
    ]),
  ),
})

describe('the document', () => {
  test('describes every route of the admin API, and no other', () => {
    const mounted = createApp(registry, servicesOf)
      .routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/admin'))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    const described = adminOperations.map(({ method, path }) => `${method} ${path}`)
    expect(described.toSorted()).toEqual([...new Set(mounted)].toSorted())
  })

  test('has no operation that the tests below do not call', () => {
    expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual(
      Object.keys(examples).toSorted(),
    )
  })

  test('says of every route below /api/admin, and of no other, that it wants a token', () => {
    for (const { operationId, path, security } of operations) {
      const wanted = path.startsWith('/api/admin/') ? [{ token: [] }] : undefined
      expect(security, operationId).toEqual(wanted)
    }
  })
})

describe.each(named)('%s', (operationId, operation) => {
  const { succeeds, refused } = examples[operationId] ?? { succeeds: [], refused: [] }

  test.for(succeeds.map((example, n) => [n + 1, example] as const))(
    'answers a call as documented (%i)',
    async ([, example]) => {
      const app = rounds()
      const answer = await send(app, operation, await prepared(app, example))
      expect(answer.status, JSON.stringify(answer.body)).toBe(example.status)
      expectDocumented(operation, answer.response, answer.body)
    },
  )

  test.for(refused.map((example, n) => [example.status, n + 1, example] as const))(
    'refuses a call with %i as documented (%i)',
    async ([status, , example]) => {
      const app = rounds()
      const answer = await send(app, operation, await prepared(app, example))
      expectError(answer, { status, code: expect.any(String) })
      expectDocumented(operation, answer.response, answer.body)
    },
  )
})

test.for(adminOperations)('$operationId refuses who has no token as documented', async (operation) => {
  const answer = await send(rounds(), operation, anyCall(operation), { authorization: '' })
  expectError(answer, unauthorized)
  expectDocumented(operation, answer.response, answer.body)
})

test.for(writing)(
  '$operationId refuses viewers, unknown fields and large bodies as documented',
  async (operation) => {
    const app = rounds()
    const bodies = [
      { headers: await bearer(app, 'looker', 'viewer'), body: undefined, error: forbidden },
      { headers: {}, body: { nonsense: 1 }, error: invalidRequest },
      { headers: {}, body: { reason: 'x'.repeat(65 * 1024) }, error: { status: 413, code: 'too_large' } },
    ]
    for (const { headers, body, error } of bodies) {
      const answer = await send(app, operation, { ...anyCall(operation), body }, headers)
      expectError(answer, error)
      expectDocumented(operation, answer.response, answer.body)
    }
  },
)
