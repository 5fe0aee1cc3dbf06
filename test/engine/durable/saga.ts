import { PermanentError } from '../../../src/errors.ts'
import { durableToy } from '../../support/toy.ts'

export const sagaSteps = ['a', 'b', 'c', 'd'] as const

/**
 * A workflow of four steps, each of which can be undone, over a service that acts once for a key and remembers in which
 * order it acted.
 */
export function saga(options: Parameters<typeof durableToy>[1] = {}) {
  const keys = new Set<string>()
  const acts: string[] = []
  const act = (name: string, key: string) => {
    if (keys.has(key)) return
    keys.add(key)
    acts.push(name)
  }
  const perform =
    (name: string) =>
    async ({ key }: { key: string }) => {
      act(name, key)
      return name
    }
  const workflow = durableToy(async (_, { step, parallel, compensate }) => {
    const undoable = (name: string) =>
      compensate(name, async ({ key }, result) => act(`undo ${name} of ${JSON.stringify(result)}`, key))
    undoable('a')
    await step('a', perform('a'))
    undoable('b')
    undoable('c')
    const { b, c } = await parallel({ b: perform('b'), c: perform('c') })
    if (!b.ok || !c.ok) throw new PermanentError('b or c has failed')
    undoable('d')
    await step('d', perform('d'))
    return { text: 'done' }
  }, options)
  return { workflow, acts }
}
