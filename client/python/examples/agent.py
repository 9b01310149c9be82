"""An agent that asks for the weather as long as its budget lasts, and knows why it stops.

python agent.py URL pm_… REQUESTS BUDGET
"""

import os
import sys
import tempfile

import httpx
import stripe402
from stripe402.httpx import Transport

url, card, requests, budget = sys.argv[1:]
# What is known of the server, and what was spent, outlives the agent.
purse = os.environ.get("STRIPE402_PURSE") or os.path.join(tempfile.mkdtemp(), "purse.json")
wallet = stripe402.Wallet(card=card, max_price="0.05usd", max_charge="5usd", budget=budget, credentials=purse)

with httpx.Client(transport=Transport(wallet)) as client:
    for number in range(1, int(requests) + 1):
        try:
            answer = client.get(url)
        except stripe402.BudgetExceeded:
            print(f"{number}: the budget is spent")
            break
        except stripe402.AuthenticationRequired as error:
            print(f"{number}: confirm {error.payment_intent_id}")
            break
        paid = stripe402.receipt_of(answer)
        print(f"{number}: {answer.text} ({paid and paid.credits_remaining} units left)")
    else:
        print(f"{requests} answers")
