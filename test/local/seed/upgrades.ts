import type { upgrades } from '../../../src/db/schema-product.ts'
import { happens, oneOf } from './choose.ts'
import { userId } from './users.ts'

type Upgrade = typeof upgrades.$inferSelect

const prices = { starter: 900, pro: 2900, team: 9900 } as const

/** What user number `row` has asked to be upgraded to: nothing, for most. */
export function seedUpgrades(row: number, now: Date): Upgrade[] {
  if (!happens('upgrade', row, 12)) return []
  const plan = oneOf(['starter', 'pro', 'team'] as const, 'upgrade plan', row)
  return [
    {
      id: `g${String(row).padStart(6, '0')}`,
      userId: userId(row),
      plan,
      amount: prices[plan],
      currency: 'usd',
      customer: `cus_${row}`,
      paymentMethod: happens('declined card', row, 10) ? 'pm_card_chargeDeclined' : 'pm_card_visa',
      status: 'requested',
      createdAt: now,
    },
  ]
}
