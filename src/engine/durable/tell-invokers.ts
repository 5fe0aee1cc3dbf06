import { forgetInvokers, untoldEnds } from '../ledger/invokers.ts'
import type { Services } from '../services.ts'
import { giveEventTo } from './events.ts'

/**
 * Tells whoever invoked items that have ended what came of them. May be repeated.
 *
 * @param which all of them, or those of a batch, or one of its items.
 */
export async function tellInvokers(
  services: Services,
  which: { batchId?: string; itemId?: string } = {},
): Promise<void> {
  for (const ended of await untoldEnds(services.db, which)) {
    const { status, data, invokers } = ended
    for (const invoker of invokers) await giveEventTo(services, invoker, { status, data })
    await forgetInvokers(services.db, ended)
  }
}
