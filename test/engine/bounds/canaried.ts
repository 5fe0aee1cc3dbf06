import { PermanentError } from '../../../src/errors.ts'
import { skip } from '../../../src/workflows/contract.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { toyWorkflow } from '../../support/toy.ts'

/** A workflow over so many users; `becomes` says of the n-th user what its work comes to. */
export async function canaried(users: number, becomes: (n: number) => 'ok' | 'fails' | 'skipped') {
  const worked: number[] = []
  const state = { broken: true }
  const numbers = new Map(Array.from({ length: users }, (_, index) => [userId(index + 1), index + 1]))
  const app = rounds([
    toyWorkflow((_, id) => {
      const n = numbers.get(id) ?? 0
      worked.push(n)
      const outcome = state.broken ? becomes(n) : 'ok'
      if (outcome === 'fails') throw new PermanentError('it broke')
      return Promise.resolve(outcome === 'skipped' ? skip('nothing to do') : { text: id })
    }),
  ])
  await insertUsers(app.services.db, users)
  const act = (id: string, action: string, body?: unknown) =>
    app.call('POST', `/api/admin/batches/${id}/${action}`, body)
  return { ...app, worked, state, act }
}

export const canary = { items: 10, minSuccessRate: 0.9 }
