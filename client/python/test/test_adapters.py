"""What a fake gateway can show of each adapter: redirects, streams, connections, what fails."""

import asyncio
import base64
import gzip
import json
import os
import pickle
import tempfile
import tracemalloc
import unittest
import zlib
from pathlib import Path
from unittest import mock

import httpx
import requests
import stripe402
from gateway import BOMBS, CHALLENGE, CLIENT_ID, LONG, gateway
from payers import ByHttpx, ByHttpxAsync, ByRequests, wallet
from stripe402.bodies import text_of
from stripe402.httpx import AsyncTransport, Transport
from stripe402.requests import Adapter


class EachAdapter:
    """What is true of each adapter, with a gateway and another origin."""

    def setUp(self):
        self.elsewhere = self.enterContext(gateway())
        self.here = self.enterContext(gateway(self.elsewhere.origin))
        self.elsewhere.elsewhere = self.here.origin

    def payer(self, **options):
        payer = self.by(**options)
        self.addCleanup(payer.close)
        return payer

    def test_an_answer_is_streamed(self):
        body, response = self.payer().stream(self.here.origin + "/stream", self.here.first_was_read.set)
        self.assertEqual(body, b"first,second")
        self.assertTrue(self.here.was_unbuffered, "the second half waited for the first to be read")
        self.assertEqual(stripe402.receipt_of(response).charged, 50_000)

    def test_a_body_that_can_be_sent_once_is(self):
        by = self.payer()
        self.assertEqual(by.call(self.here.origin + "/priced", once=b"my body").text, "served")
        self.assertEqual(by.call(self.here.origin + "/free", once=b"my body").text, "free")
        bodies = [(path, body) for path, _, body in self.here.seen if body]
        self.assertEqual(bodies, [("/priced", b"my body"), ("/free", b"my body")])
        # Free without its body, and priced with it: too late to send it again.
        with self.assertRaises(stripe402.BodyConsumed) as raised:
            self.payer().call(self.here.origin + "/free-without-a-body", once=b"my body")
        self.assertEqual(raised.exception.details["terms"]["price"], 500)
        self.assertEqual(by.wallet.spent(), 50_000)

    def test_a_request_is_paid_once_across_redirects(self):
        by = self.payer()
        answer = by.call(self.here.origin + "/paid-to/free")
        self.assertEqual(answer.text, "free")
        self.assertEqual(stripe402.receipt_of(answer).charged, 50_000, "of the redirect")
        with self.assertRaises(stripe402.PaidAndRedirected):
            by.call(self.here.origin + "/paid-to/priced")
        self.assertEqual(self.here.paid(), ["/paid-to/free", "/paid-to/priced"])
        self.assertEqual(by.call(self.here.origin + "/to/to/priced").text, "served", "unpaid ones may be paid for")

    def test_what_another_chose_is_not_paid_for(self):
        # Away and back again; both may be paid.
        by = self.payer(origins=[self.here.origin, self.elsewhere.origin])
        with self.assertRaises(stripe402.OriginNotAllowed):
            by.call(self.here.origin + "/away")
        self.assertEqual((self.here.paid(), self.elsewhere.paid()), ([], []))
        self.assertEqual(by.call(self.here.origin + "/priced").text, "served")

    def test_a_payment_is_not_shown(self):
        answer = self.payer().call(self.here.origin + "/priced")
        self.assertNotIn("payment", answer.request.headers)
        self.assertNotIn(CLIENT_ID, repr(stripe402.receipt_of(answer)))

    def test_an_answer_that_the_rules_read_is_still_the_callers(self):
        answer = self.payer().call(self.here.origin + "/failing")
        self.assertEqual((answer.status_code, answer.json()), (503, {"why": "no reason"}))
        self.assertEqual(self.payer().stream(self.here.origin + "/failing", lambda: None)[0], b'{"why": "no reason"}')

    def test_a_body_is_not_decoded_to_more_than_is_looked_at(self):
        by = self.payer()
        for status in (402, 503):
            for encodings, body in BOMBS.items():
                with self.subTest(status=status, encodings=encodings):
                    tracemalloc.start()
                    self.addCleanup(tracemalloc.stop)
                    url = f"{self.here.origin}/bomb/{status}/{encodings}"
                    if status == 402:
                        with self.assertRaises(stripe402.ChallengeMissing):
                            by.sent(url)
                    else:
                        self.assertEqual(by.sent(url), (503, body), "the caller's, as it was sent")
                    peak = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
                    self.assertLess(peak, 4 << 20)

    def test_a_body_that_is_longer_than_is_looked_at_is_the_callers(self):
        by = self.payer()
        self.assertEqual(by.sent(self.here.origin + "/longer"), (503, LONG))
        self.assertEqual(by.stream(self.here.origin + "/longer", lambda: None)[0], LONG)
        self.assertEqual(by.call(self.here.origin + "/longer").text, LONG.decode())
        self.assertEqual(by.call(self.here.origin + "/free").text, "free", "its connection is free again")

    def test_a_compressed_refusal_is_understood(self):
        with self.assertRaises(stripe402.Declined):
            self.payer().call(self.here.origin + "/declined")

    def test_a_connection_that_fails_is_the_librarys_own_exception(self):
        by = self.payer()
        with self.assertRaises(by.lost):
            by.call("http://127.0.0.1:1/")

    def test_a_charge_whose_outcome_is_unknown_is_not_made_again(self):
        by = self.payer()
        with self.assertRaises(stripe402.OutcomeUnknown):
            by.call(self.here.origin + "/slow", timeout=0.3)
        self.assertEqual(by.wallet.spent(), 50_000, "it may have been charged")
        self.here.may_answer.set()
        self.assertEqual(by.call(self.here.origin + "/slow").text, "served")
        first, second = self.here.keys
        self.assertEqual(first, second)
        self.assertEqual(by.wallet.spent(), 50_000)

    def test_a_file_keeps_what_is_known(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "credentials.json"
            self.payer(credentials=path).call(self.here.origin + "/priced")
            again = self.payer(credentials=path)
            answer = again.call(self.here.origin + "/priced")
            self.assertEqual(again.wallet.client_id(self.here.origin), CLIENT_ID)
            self.assertEqual(again.wallet.spent(), 50_000)
            self.assertIsNone(stripe402.receipt_of(answer).charged)
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            with mock.patch.dict(os.environ, HOME=folder):
                self.assertEqual(wallet(credentials="~/credentials.json").purse(), again.wallet.purse())
            path.write_text("my novel")
            with self.assertRaisesRegex(stripe402.CredentialsError, "is not a credentials file"):
                again.call(self.here.origin + "/priced")
            self.assertEqual(path.read_text(), "my novel")

    def test_a_card_is_asked_for(self):
        asked, told = [], []

        def choose(terms):
            asked.append(terms.price)
            return "pm_chosen"

        def tell(paid, url):
            told.append((paid.charged, url))

        by = self.payer(card=None, on_payment_required=choose, on_receipt=tell)
        by.call(self.here.origin + "/priced")
        by.call(self.here.origin + "/priced")
        self.assertEqual(asked, [500])
        self.assertEqual(told, [(50_000, self.here.origin + "/priced"), (None, self.here.origin + "/priced")])


class WithHttpx(EachAdapter, unittest.TestCase):
    by = ByHttpx


class WithHttpxAsync(EachAdapter, unittest.TestCase):
    by = ByHttpxAsync


class WithRequests(EachAdapter, unittest.TestCase):
    by = ByRequests

    def test_an_exception_does_not_show_the_payment(self):
        by = self.payer()
        with self.assertRaises(stripe402.OutcomeUnknown) as charged:
            by.call(self.here.origin + "/dropped")
        by.call(self.here.origin + "/priced")
        with self.assertRaises(requests.ConnectionError) as spent:
            by.call(self.here.origin + "/dropped")
        self.assertEqual(self.here.paid(), ["/dropped", "/priced", "/dropped"])
        for error in (charged.exception.__cause__, spent.exception):
            self.assertEqual(error.request.url, self.here.origin + "/dropped")
            self.assertNotIn("payment", error.request.headers)

    def test_an_answer_that_the_rules_read_keeps_its_cookies(self):
        by = self.payer()
        by.call(self.here.origin + "/failing")
        self.assertEqual(by.session.cookies.get_dict(), {"seen": "yes"})


class Requests(unittest.TestCase):
    def test_the_same_request_again_is_another_one(self):
        with gateway() as here, httpx.Client(transport=Transport(wallet())) as client:
            request = client.build_request("GET", here.origin + "/paid-to/free")
            for _ in range(2):
                self.assertEqual(client.send(request).status_code, 303)
            self.assertEqual(len(here.paid()), 2)
        with gateway() as here, requests.Session() as session:
            session.mount("http://", Adapter(wallet()))
            request = session.prepare_request(requests.Request("GET", here.origin + "/paid-to/free"))
            for _ in range(2):
                self.assertEqual(session.send(request, allow_redirects=False).status_code, 303)
            self.assertEqual(len(here.paid()), 2)

    def test_a_call_that_is_cancelled_while_it_pays_is_not_paid_for_twice(self):
        async def calls(url, here, options):
            by = wallet(**options)
            async with httpx.AsyncClient(transport=AsyncTransport(by)) as client:
                with self.assertRaises(TimeoutError):
                    await asyncio.wait_for(client.get(url), 0.3)
                here.may_answer.set()
                # Its turn to pay was given back, or this would wait for ever.
                answer = await asyncio.wait_for(client.get(url), 5)
                return answer.text, by.spent()

        with tempfile.TemporaryDirectory() as folder:
            for options in ({}, {"credentials": Path(folder) / "credentials.json"}):
                with self.subTest(options), gateway() as here:
                    told = asyncio.run(calls(here.origin + "/slow", here, options))
                    self.assertEqual(told, ("served", 50_000))
                    first, second = here.keys
                    self.assertEqual(first, second)

    def test_a_coroutine_chooses_a_card(self):
        async def choose(terms):
            await asyncio.sleep(0)
            return "pm_chosen"

        async def call(url):
            by = stripe402.Wallet(on_payment_required=choose)
            async with httpx.AsyncClient(transport=AsyncTransport(by)) as client:
                return await client.get(url)

        with gateway() as here:
            self.assertEqual(asyncio.run(call(here.origin + "/priced")).text, "served")


class Words(unittest.TestCase):
    def test_what_makes_no_sense_is_a_value_error(self):
        for wrong in ({"max_price": "a lot"}, {"max_price": "1eur"}, {"currency": "jpy"}, {"card": "4242424242424242"}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                stripe402.Wallet(**wrong)

    def test_a_body_is_decoded_once_and_up_to_a_bound(self):
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        bare = deflate.compress(b"text") + deflate.flush()
        packed = gzip.compress(b"text")
        for encoding, raw, text in (
            ("", b"text", "text"),
            ("identity", b"text", "text"),
            ("GZip", packed, "text"),
            ("x-gzip, identity", packed, "text"),
            ("deflate", zlib.compress(b"text"), "text"),
            ("deflate", bare, "text"),
            ("gzip, gzip", gzip.compress(packed), None),
            ("gzip", packed[:-1], None),
            ("gzip", b"text", None),
            ("br", b"text", None),
            ("", b"\xff", None),
            ("", b"x" * 65_536, "x" * 65_536),
            ("", b"x" * 65_537, None),
            ("gzip", gzip.compress(b"x" * 65_536), "x" * 65_536),
            ("gzip", gzip.compress(b"x" * 65_537), None),
        ):
            with self.subTest(encoding=encoding, raw=raw[:40], length=len(raw)):
                self.assertEqual(text_of(raw, {"content-encoding": encoding}), text)

    def test_an_error_can_be_sent_to_another_process_and_hides_its_secret(self):
        failure = {"code": "payment_failed", "message": "confirm", "reason": "authentication_required"}
        error = stripe402.errors.to_error({**failure, "clientSecret": "pi_1_secret"})
        again = pickle.loads(pickle.dumps(error))
        for each in (error, again):
            self.assertIsInstance(each, stripe402.AuthenticationRequired)
            self.assertIsInstance(each, stripe402.PaymentFailed)
            self.assertEqual((each.code, each.client_secret, str(each)), ("payment_failed", "pi_1_secret", "confirm"))
            self.assertNotIn("secret", repr(each))

    def test_a_challenge_is_explained(self):
        terms = stripe402.explain(CHALLENGE)
        self.assertEqual((terms.price, terms.min_top_up, terms.knows_max_price), (500, 50_000, True))
        with self.assertRaises(stripe402.ChallengeMalformed):
            stripe402.explain("bm90IGpzb24=")

    def test_a_metered_price_is_explained(self):
        challenge = json.loads(base64.b64decode(CHALLENGE))
        prices = [{"of": "prompt", "units": 2_500, "per": 1_000}]
        challenge["pricing"] = {"kind": "upto", "most": 500, "least": 1, "description": "Tokens", "unitPrices": prices}
        header = base64.b64encode(json.dumps(challenge).encode()).decode()
        pricing = stripe402.explain(header).pricing
        self.assertEqual((pricing.most, pricing.unit_prices), (500, (stripe402.UnitPrice("prompt", 2_500, 1_000),)))


if __name__ == "__main__":
    unittest.main()
