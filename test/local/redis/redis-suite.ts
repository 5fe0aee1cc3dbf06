import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import type { LocalRedis } from './start.ts'
import { commandsSuite } from './suite/commands.ts'
import { Context } from './suite/context.ts'
import { requestsSuite } from './suite/requests.ts'
import { valuesSuite } from './suite/values.ts'

/** What every backend of the local Redis must do, seen through the real client. */
export function redisSuite(name: string, start: () => Promise<LocalRedis>): void {
  describe(`local Redis over ${name}`, () => {
    const t = new Context()

    beforeAll(async () => t.connect(await start()))
    beforeEach(() => t.local.clear())
    afterEach(async () => {
      t.local.clear()
      await t.deleteKeys()
    })
    afterAll(() => t.local.close())

    valuesSuite(t)
    commandsSuite(t)
    requestsSuite(t)
  })
}
