/** Whom a mail is for. */
type Reader = { name: string; email: string }
type Letter = { to: string; subject: string; text: string }

const letter =
  (subject: string, ...lines: string[]) =>
  ({ name, email }: Reader): Letter => ({
    to: email,
    subject,
    text: [`Hello ${name},`, ...lines, 'The team'].join('\n\n'),
  })

export const welcomeMail = letter(
  'Your trial has begun',
  'Good to have you here. Everything is unlocked for the time of your trial; nothing is charged unless you choose a plan.',
)

export const nudgeMail = letter(
  'A week with us',
  'Your first week is over. If something is missing or unclear, answer this mail: somebody will read it.',
  'To keep your work after the trial, choose a plan in your settings.',
)

export const thanksMail = letter(
  'Thank you for staying',
  'You have chosen a plan, so nothing changes for you. Thank you.',
)

export const expiryMail = letter(
  'Your trial has ended',
  'Your trial is over. What you made is kept; choose a plan to go on with it.',
)
