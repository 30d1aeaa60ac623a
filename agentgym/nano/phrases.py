"""Phrasings of synthetic instructions. None is a sentence of a held-out task (`agentgym.nano.heldout`)."""

from __future__ import annotations

CLICK = (
    "Press {a}.", "Hit {a}.", "Tap {a}", "Tap on the {kind} {a}.", "Press the {kind} named {a}.", "Use the {a} {kind}.",
    "Please click {a}.", "Click the {kind} that says {a}.", "Find {a} and click it.", "Go for {a}.", "Click {a} once.",
    "Choose the {kind} called {a}", "Look for the {kind} {a} and press it.", "{a} is the {kind} to click.",
    "On this page, click on {a}.", "Push the {a} {kind}.", "There is a {kind} that reads {a}: press it.", "Open {a}.",
    "Follow the {kind} {a}.", "Activate {a}.", "click {a}", "Your goal is to hit the {a} {kind}.", "Pick {a}.",
    "Click on the word {a} in the page.", "Click on {a} now.", "Press on the {kind} with the text {a}.",
)  # fmt: skip
CLICK_KIND = (
    "Press the {kind} named {a}.", "Hit the {kind}, whatever it says.", "Click the {kind} called {a}, nothing else.",
    "Tap the {kind}.", "Use the {kind} here.", "There are several {a}; press the {kind}.",
    "Go to the {kind} and click it.", "Click on the only {kind} of this page.", "Pick the {kind} that says {a}.",
    "Press the {a} {kind}.",
)  # fmt: skip
CLICK_TWO = (
    "First press {a}, afterwards {b}.", "Press {a}, then {b}.", "Hit {a} and after that {b}.", "Click {a} before {b}.",
    "Tap {a} and then tap {b}.", "Two clicks: {a}, {b}.", "Start with {a}, go on with {b}.", "After {a}, press {b}.",
    "Begin by clicking {a}. Then click {b}.", "Use {a} first and {b} second.", "In this order: {a}, {b}.",
    "Before you press {b}, press {a}.", "Click on {a}, and next on {b}.",
)  # fmt: skip
CHECK = (
    "Tick {a}.", "Check {a}.", "Check the boxes {a}.", "Mark {a}.", "Please tick the boxes for {a}.", "Turn on {a}.",
    "Make sure that {a} is checked.", "Set the check marks of {a}.", "I want {a}.", "Choose these: {a}.", "Pick {a}.",
    "Put a tick beside {a}.", "From the list take {a}.", "Select the items {a}.", "Select: {a}.",
)  # fmt: skip
CHOOSE = (
    "Choose {a}.", "Pick {a}.", "Set the choice to {a}.", "Take the option {a}.", "Mark {a}.", "The answer is {a}.",
    "Switch to {a}.", "Choose the option called {a}.", "Please pick {a} from these.", "Select the choice {a}.",
    "Decide for {a}.", "Vote for {a}.", "Use the radio button of {a}.", "Select only {a}.",
)  # fmt: skip
CUE = (
    ", then press {a}.", " and press {a}.", ". Then hit {a}.", ". Finish with {a}.", ", and hit {a} when ready.",
    ". Afterwards use {a}.", " and confirm with {a}.", ". When this is done, click {a}.", ", then tap {a}.",
    ". In the end click {a}.", ", then click on {a}.", " and finally press {a}.", " and {a}.",
)  # fmt: skip
FILL = (
    "Put {a} in {where}.", "Write {a} into {where}.", "Type {a} in {where}.", "Fill {where} with {a}.",
    "Add {a} to {where}.", "In {where}, write {a}.", "Set {where} to {a}.", "{where} should hold {a}.",
    "Type {a} into {where}.", "Key in {a} at {where}.", "Use {where} and write {a}.", "Make {where} say {a}.",
    "Enter {a} in {where}.",
)  # fmt: skip
FILL_TWO = (
    "Put {a} in {la} and {b} in {lb}.", "Fill in {la} with {a} and {lb} with {b}.", "Set {la} to {a}, {lb} to {b}.",
    "{la}: {a}, {lb}: {b}.", "Write {a} as {la}, and {b} as {lb}.", "The {la} is {a}, the {lb} is {b}.",
    "Type {a} under {la} and {b} under {lb}.", "Complete the form: {la} {a}, {lb} {b}.",
    "Use {a} for the {la} field and {b} for the {lb} field.", "Give the {la} {a} and the {lb} {b}.",
    "Enter {a} as the {la} and {b} as the {lb}.",
)  # fmt: skip
FOCUS = (
    "Put the cursor in the {a} box.", "Click into {a}.", "Go to the field {a}.", "Place the cursor at {a}.",
    "Give the focus to {a}.", "Make the {a} field active.", "Focus the box for {a}.", "Move into the {a} field.",
)  # fmt: skip
MENU = (
    "Choose {a} in the list.", "Set the menu to {a}.", "Pick {a} from the drop-down.", "Take {a} in the menu.",
    "From the list, pick {a}.", "Change the list to {a}.", "Select the entry {a}.", "Let the drop-down show {a}.",
)  # fmt: skip
DISMISS = (
    "Answer the message with {a}.", "Dismiss the notice by {a}.", "Close the box with its {a} control.",
    "A window has opened: press {a}.", "Use {a} to leave the message.", "In the pop-up, choose {a}.",
    "Say {a} to the dialog.", "Get rid of the pop-up with {a}.", "Reply {a}.",
)  # fmt: skip
COPY = (
    "Copy what {a} says into the field.", "Type the text beside {a} into the box.",
    "Write the value of {a} in the field.", "Put what stands after {a} into the box.",
    "Repeat the text of {a} in the input.", "The field wants the value of {a}.",
)  # fmt: skip
ANSWER = (
    "What is {a}?", "Tell me the value of {a}.", "What does {a} say?", "Find out {a} and answer.", "Report {a}.",
    "Answer with the text beside {a}.", "Which value has {a}?",
)  # fmt: skip
POSITION = (
    "Click the {n} {kind}.", "Press the {n} {kind}.", "Use the {n} {kind} from the top.",
    "Go to the {n} {kind} here.", "Of all these, hit the {n} {kind}.", "Tap the {n} {kind} on the page.",
    "Put the pointer on the {n} {kind} and click.", "Click into the {n} {kind}.", "Choose the {n} {kind}.",
    "Focus the {n} {kind}.",
)  # fmt: skip
ORDINALS = (
    ("first", "1st", "1st"),
    ("second", "2nd", "2nd"),
    ("third", "3rd", "3rd"),
    ("fourth", "4th"),
    ("fifth", "5th"),
)
OPEN_TAB = (
    "Open {a}.", "Go to {a}.", "Show {a}.", "Switch to the tab {a}.", "Bring {a} to the front.", "Open the {a} tab.",
    "Let me see {a}.", "Change to {a}.", "Turn to {a}.", "Press {a}.", "Click {a}.",
)  # fmt: skip
KINDS = {
    "button": ("button", "button", "push button"),
    "link": ("link", "link", "hyperlink"),
    "textbox": ("textbox", "text field", "text box", "input"),
    "checkbox": ("checkbox", "check box"),
    "radio": ("radio button", "radio"),
    "combobox": ("drop-down", "combobox", "list"),
    "tab": ("tab",),
    "option": ("option", "entry"),
    "menuitem": ("menu item", "entry"),
    "img": ("image", "picture"),
    "heading": ("heading", "title"),
}
SUBMITS = (
    "Submit", "Submit", "submit", "OK", "Ok", "Save", "Send", "Apply", "Done", "Continue", "Next", "Go", "Confirm",
    "Finish", "Search", "Sign in", "Log in", "Register", "Add", "Update", "Okay", "Join", "Order", "Book", "Login",
)  # fmt: skip
LABELS = (
    "Name", "First name", "Last name", "Account", "User name", "Nickname", "Email", "E-mail", "City", "Street",
    "Phone", "Age", "Country", "Company", "Title", "Subject", "Date", "Amount", "Code", "PIN", "Note", "Comment",
    "Zip", "State", "Reason", "user", "word", "key", "secret", "login", "pass", "Member", "Passphrase", "Address",
    "From", "To", "Quantity",
)  # fmt: skip
