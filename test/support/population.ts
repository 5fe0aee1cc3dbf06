import { sql } from 'drizzle-orm'
import type { Db } from '../../src/db/client.ts'

/** Inserts users u000001 … with an interest each; every third one pays. */
export async function insertUsers(db: Db, count: number): Promise<void> {
  await db.execute(sql`
    insert into users (id, name, email, locale, interests)
    select 'u' || lpad(n::text, 6, '0'), 'User ' || n, 'user' || n || '@example.com', 'en-US',
      jsonb_build_array('topic ' || n)
    from generate_series(1, ${count}::int) n`)
  await db.execute(sql`
    insert into subscriptions (id, user_id, plan, status)
    select 's' || n, 'u' || lpad(n::text, 6, '0'), 'pro', 'active' from generate_series(3, ${count}::int, 3) n`)
}

export const userId = (n: number) => `u${String(n).padStart(6, '0')}`
