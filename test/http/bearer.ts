import { z } from 'zod'
import type { rounds } from '../support/rounds.ts'

const madeSchema = z.object({ token: z.string() })

/** Makes a named token, and the header that shows it. */
export async function bearer(app: ReturnType<typeof rounds>, name: string, role: 'viewer' | 'operator') {
  const { body } = await app.call('POST', '/api/admin/tokens', { name, role })
  return { authorization: `Bearer ${madeSchema.parse(body).token}` }
}
