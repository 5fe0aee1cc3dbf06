import { z } from 'zod'
import { users } from '../../../src/db/schema.ts'
import { defineWorkflow, type Invoked, type ItemTools } from '../../../src/workflows/contract.ts'
import { inputVersion } from '../../../src/workflows/input-version.ts'

/** A workflow that invokes `toy` for its item and waits for it. */
export const caller = (
  timeout: Parameters<ItemTools['invoke']>[1]['timeout'] = '1 day',
  {
    before,
    after,
  }: {
    before?: (tools: ItemTools) => void | Promise<void>
    after?: (tools: ItemTools) => Promise<void>
  } = {},
) =>
  defineWorkflow({
    name: 'caller',
    entity: { one: 'user', many: 'users' },
    params: z.object({ tag: z.string().default('') }),
    scope: ({ tag }) => tag,
    data: z.object({ heard: z.string() }),
    replaySafe: false,
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.id) }).from(users),
    run: {
      1: async ({ id, params }, tools) => {
        await before?.(tools)
        const workflow = {
          name: 'toy',
          params: z.object({ tag: z.string() }),
          data: z.object({ text: z.string() }),
        }
        const heard: Invoked<{ text: string }> | null = await tools.invoke('ask', {
          workflow,
          itemId: id,
          params,
          timeout,
        })
        await after?.(tools)
        return { heard: JSON.stringify(heard) }
      },
    },
  })
