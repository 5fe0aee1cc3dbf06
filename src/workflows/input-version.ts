import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'

/** A text that changes when any of the given columns or expressions does. */
export const inputVersion = (...inputs: SQLWrapper[]): SQL<string> =>
  sql<string>`md5(jsonb_build_array(${sql.join(inputs, sql`, `)})::text)`
