import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { resetEverything, rounds } from '../support/rounds.ts'
import { bearer } from './bearer.ts'
import { prepared, send } from './calls.ts'
import { changesOf } from './changes.ts'
import { adminOperations } from './document.ts'
import { expectError } from './error-shape.ts'
import { exampleOf, examples } from './examples.ts'
import { stateOf } from './state.ts'

beforeEach(resetEverything)

const writing = adminOperations.filter(({ method }) => method !== 'GET')
const administering = new Set(['createToken', 'revokeToken'])

describe('every operation that changes something', () => {
  test.for(writing)('leaves one entry with who did it and why: $method $path', async (operation) => {
    const app = rounds()
    const call = await prepared(app, exampleOf(operation))
    const ada = await bearer(app, 'ada', 'operator')
    const isAdmin = administering.has(operation.operationId)
    const before = await changesOf(app)
    const body = {
      ...z
        .object({})
        .loose()
        .parse(call.body ?? {}),
      reason: 'the 3 o’clock alarm',
    }
    const answer = await send(app, operation, { ...call, body }, isAdmin ? {} : ada)
    expect(answer.status).toBeLessThan(300)
    const [change, ...more] = (await changesOf(app)).slice(before.length)
    expect(more).toEqual([])
    expect(change).toMatchObject({
      actor: isAdmin ? 'ADMIN_TOKEN' : 'ada',
      reason: 'the 3 o’clock alarm',
      action: expect.stringMatching(/^[a-z-]+\.[a-z]+$/),
    })
    expect(change?.before).not.toEqual(change?.after)
  })

  const refusals = writing.flatMap((operation) =>
    (examples[operation.operationId]?.refused ?? []).map((example) => ({ operation, example })),
  )
  test.for(refusals)(
    'leaves none when it is refused with $example.status: $operation.method $operation.path',
    async ({ operation, example }) => {
      const app = rounds()
      const call = await prepared(app, example)
      const before = await stateOf(app.services.db)
      const answer = await send(app, operation, call)
      expectError(answer, { status: example.status, code: expect.any(String) })
      expect(await stateOf(app.services.db)).toEqual(before)
    },
  )
})
