import { percent } from '../format.ts'

/** A share as a number and a bar. */
export function ShareBar({ share, label }: { readonly share: number; readonly label?: string }) {
  return (
    <span class="share">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rest" width="100" height="8" rx="2" />
        <rect class="part" width={Math.max(share * 100, share > 0 ? 1.5 : 0)} height="8" rx="2" />
      </svg>
      <span>
        {percent(share)}
        {label === undefined ? '' : ` ${label}`}
      </span>
    </span>
  )
}
