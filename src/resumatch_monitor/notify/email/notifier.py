"""Sends e-mails through an SMTP server."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTPUTF8

import aiosmtplib

from resumatch_monitor.kit.http import AddressRefusedError, resolve_all_allowed
from resumatch_monitor.notify.addresses import bare_address
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.email.config import EmailConfig
from resumatch_monitor.notify.email.message import EmailRenderer
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, FailureReason, NotifyError, Receipt
from resumatch_monitor.notify.redaction import Redactor, login_secrets, mask_address

_TIMEOUT_SECONDS = 15.0
_LONGEST_DESTINATION = 3
# https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1: 4yz may succeed later, 5yz will not.
_FIRST_PERMANENT_CODE = 500
_START_TLS = {"starttls": True, "implicit": False, "opportunistic": None, "none": False}


class EmailNotifier:
    """Sends to the addresses of one configuration, as one message."""

    def __init__(
        self,
        config: EmailConfig,
        context: NotifierContext,
        *,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._allowed_hosts = context.allowed_hosts
        self._tls_context = tls_context
        self._sender = bare_address(config.from_)
        self._find_diagnosis = context.find_diagnosis
        self._renderer = EmailRenderer(
            sender=config.from_, links=context.links, actions=context.actions
        )
        password = config.password.get_secret_value()
        self._redactor = Redactor(login_secrets(config.username, password))
        self.destination = _mask_all(config.to)

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        recipients = [
            address
            for address in self._config.to
            if not attempt.remaining or bare_address(address) in attempt.remaining
        ] or self._config.to
        diagnosis = await self._find_diagnosis(notification)
        message = self._renderer.render(notification, self._config.to, diagnosis)
        try:
            refused, answer = await self._send(message, [bare_address(each) for each in recipients])
        except AddressRefusedError as error:
            raise NotifyError(str(error), retryable=False, reason=FailureReason.REFUSED) from None
        except aiosmtplib.SMTPException as error:
            raise self._judge(error) from None
        except ssl.SSLCertVerificationError as error:
            text = f"the mail server's certificate is not valid: {error.verify_message}"
            raise NotifyError(text, retryable=False, reason=FailureReason.REFUSED) from None
        except TimeoutError:
            raise self._time_out() from None
        except OSError as error:
            text = self._redactor.clean(str(error)) or type(error).__name__
            raise NotifyError(text, retryable=True, reason=FailureReason.NETWORK) from None
        except ValueError as error:
            text = self._redactor.clean(str(error))
            raise NotifyError(text, retryable=False, reason=FailureReason.CLIENT_ERROR) from None
        return self._acknowledge(refused, answer)

    async def _send(
        self, message: EmailMessage, recipients: Sequence[str]
    ) -> tuple[Mapping[str, aiosmtplib.SMTPResponse], str]:
        config = self._config
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await resolve_all_allowed(config.host, config.port, allowed_hosts=self._allowed_hosts)
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            username=config.username or None,
            password=config.password.get_secret_value() or None,
            use_tls=config.tls == "implicit",
            start_tls=_START_TLS[config.tls],
            tls_context=self._tls_context,
            timeout=_TIMEOUT_SECONDS,
            # The default asks the name server, which may be what is broken.
            local_hostname=socket.gethostname(),
        )
        try:
            await client.connect()
            is_ascii = all(each.isascii() for each in (self._sender, *recipients))
            sent = await client.sendmail(
                self._sender,
                recipients,
                message.as_bytes() if is_ascii else message.as_bytes(policy=SMTPUTF8),
                mail_options=[] if is_ascii else ["SMTPUTF8"],
            )
            # It is delivered: whatever happens while saying good-bye changes nothing.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=2.0)
            return sent
        finally:
            client.close()

    def _acknowledge(self, refused: Mapping[str, aiosmtplib.SMTPResponse], answer: str) -> Receipt:
        later = tuple(
            address for address, each in refused.items() if each.code < _FIRST_PERMANENT_CODE
        )
        words = self._describe_refusals(
            [(address, each.code, each.message) for address, each in refused.items()]
        )
        if later:
            raise NotifyError(
                words,
                retryable=True,
                reason=FailureReason.SERVER_ERROR,
                remaining=later,
            )
        return Receipt(self._redactor.clean(answer), warning=words)

    def _judge(self, error: aiosmtplib.SMTPException) -> NotifyError:
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            return self._judge_refusals(error.recipients)
        if isinstance(error, aiosmtplib.SMTPTimeoutError):
            return self._time_out()
        if isinstance(error, aiosmtplib.SMTPResponseException):
            words = " ".join(self._redactor.clean(error.message).split())
            is_final = error.code >= _FIRST_PERMANENT_CODE
            return NotifyError(
                f"the mail server answered {error.code} {words}".rstrip(),
                retryable=not is_final,
                reason=FailureReason.CLIENT_ERROR if is_final else FailureReason.SERVER_ERROR,
            )
        words = " ".join(self._redactor.clean(error.message).split()) or type(error).__name__
        # aiosmtplib raises the bare base class for what the server does not offer.
        if (
            isinstance(error, aiosmtplib.SMTPNotSupported)
            or type(error) is aiosmtplib.SMTPException
        ):
            return NotifyError(words, retryable=False, reason=FailureReason.REFUSED)
        return NotifyError(words, retryable=True, reason=FailureReason.NETWORK)

    def _judge_refusals(self, refusals: Sequence[aiosmtplib.SMTPRecipientRefused]) -> NotifyError:
        later = tuple(each.recipient for each in refusals if each.code < _FIRST_PERMANENT_CODE)
        return NotifyError(
            self._describe_refusals([(e.recipient, e.code, e.message) for e in refusals]),
            retryable=bool(later),
            reason=FailureReason.SERVER_ERROR if later else FailureReason.CLIENT_ERROR,
            remaining=later,
        )

    def _describe_refusals(self, refusals: Sequence[tuple[str, int, str]]) -> str:
        parts = [
            f"{mask_address(address)} refused: {code} "
            + " ".join(message.replace(address, mask_address(address)).split())
            for address, code, message in refusals
        ]
        return self._redactor.clean("; ".join(parts))

    def _time_out(self) -> NotifyError:
        return NotifyError(
            "the mail server did not answer in time", retryable=True, reason=FailureReason.TIMEOUT
        )


def _mask_all(addresses: Sequence[str]) -> str:
    shown = [mask_address(bare_address(each)) for each in addresses[:_LONGEST_DESTINATION]]
    hidden = len(addresses) - len(shown)
    return ", ".join(shown) + (f" and {hidden} more" if hidden else "")
