import { z } from 'zod'
import { ResendError } from './resend-error.ts'

const isAddress = (text: string) => /^(?:[^<>]*<)?[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+>?$/.test(text)

const malformed = (field: string) =>
  `Invalid \`${field}\` field. The email address needs to follow the \`email@example.com\` or \`Name <email@example.com>\` format.`

const requestSchema = z.object({
  from: z.string().refine(isAddress, malformed('from')),
  to: z
    .union([z.string().transform((one) => [one]), z.array(z.string())])
    .refine((all) => all.length > 0 && all.length <= 50 && all.every(isAddress), malformed('to')),
  subject: z.string(),
  text: z.string(),
})

/** The body of `POST /emails`, as far as it is used here. */
export type MailRequest = z.infer<typeof requestSchema>

/** @throws ResendError that names what is wrong with the body. */
export function parseMailRequest(text: string): MailRequest {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new ResendError(400, 'validation_error', 'The request body is not valid JSON.')
  }
  const parsed = requestSchema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = String(issue?.path[0] ?? 'body')
  if (Reflect.get(Object(body), field) === undefined) {
    throw new ResendError(422, 'missing_required_field', `Missing \`${field}\` field.`)
  }
  throw new ResendError(422, 'validation_error', issue?.message ?? 'The request is not valid.')
}
