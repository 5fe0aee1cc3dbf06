/** What a card says when it is charged. */
export type Charge =
  'succeeds' | 'needs-authentication' | { code: string; decline_code: string; message: string }

const declined = (decline_code: string, message = 'Your card was declined.', code = 'card_declined') => ({
  code,
  decline_code,
  message,
})

/** The payment methods of Stripe's test mode, as far as they are imitated. */
const cards: Record<string, Charge> = {
  pm_card_visa: 'succeeds',
  pm_card_visa_debit: 'succeeds',
  pm_card_mastercard: 'succeeds',
  pm_card_amex: 'succeeds',
  pm_card_discover: 'succeeds',
  pm_card_pendingRefund: 'succeeds',
  pm_card_authenticationRequired: 'needs-authentication',
  pm_card_threeDSecure2Required: 'needs-authentication',
  pm_card_chargeDeclined: declined('generic_decline'),
  pm_card_visa_chargeDeclined: declined('generic_decline'),
  pm_card_chargeCustomerFail: declined('generic_decline'),
  pm_card_chargeDeclinedInsufficientFunds: declined(
    'insufficient_funds',
    'Your card has insufficient funds.',
  ),
  pm_card_chargeDeclinedLostCard: declined('lost_card'),
  pm_card_chargeDeclinedStolenCard: declined('stolen_card'),
  pm_card_chargeDeclinedExpiredCard: declined('expired_card', 'Your card has expired.', 'expired_card'),
  pm_card_chargeDeclinedIncorrectCvc: declined(
    'incorrect_cvc',
    "Your card's security code is incorrect.",
    'incorrect_cvc',
  ),
  pm_card_chargeDeclinedProcessingError: declined(
    'processing_error',
    'An error occurred while processing your card. Try again in a little bit.',
    'processing_error',
  ),
}

export const authenticationRequired = declined(
  'authentication_required',
  'Your card was declined. This transaction requires authentication.',
  'authentication_required',
)

/** A decline that a rule asks for. */
export const declinedBecause = (declineCode: string) => declined(declineCode)

/** What a payment method does; undefined when there is none. Saved ones, which are not of the test mode, succeed. */
export function chargeOf(paymentMethod: string): Charge | undefined {
  if (Object.hasOwn(cards, paymentMethod)) return cards[paymentMethod]
  return /^pm_(?!card_)\w+$/.test(paymentMethod) ? 'succeeds' : undefined
}

/** How a refund begins. */
export const refundStatusOf = (paymentMethod: string) =>
  paymentMethod === 'pm_card_pendingRefund' ? 'pending' : 'succeeded'
