import type { Invoker } from '../../db/schema.ts'
import { forgetInvokers, untoldEnds } from '../ledger/invokers.ts'
import type { Services } from '../services.ts'
import { giveEventTo } from './events.ts'

/**
 * Tells whoever invoked items that have ended what came of them. May be repeated. One that has failed meanwhile hears of it
 * when it is tried again.
 *
 * @param which all of them, or those of a batch, or one of its items.
 */
export async function tellInvokers(
  services: Services,
  which: { batchId?: string; itemId?: string } = {},
): Promise<void> {
  for (const ended of await untoldEnds(services.db, which)) {
    const { status, data, invokers } = ended
    const told: Invoker[] = []
    for (const invoker of invokers) {
      const given = await giveEventTo(services, invoker, { status, data })
      if (given.length > 0) told.push(invoker)
    }
    await forgetInvokers(services.db, ended, told)
  }
}
