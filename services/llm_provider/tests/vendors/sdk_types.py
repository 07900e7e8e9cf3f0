"""The types of the vendors' SDKs that requests and answers are held to; importing the SDKs takes seconds."""

from anthropic.types import CacheControlEphemeralParam as CacheControlEphemeralParam
from anthropic.types import Message as Message
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from anthropic.types.messages import MessageBatch as MessageBatch
from anthropic.types.messages import MessageBatchIndividualResponse as MessageBatchIndividualResponse
from anthropic.types.messages.batch_create_params import BatchCreateParams as _MessageBatchParams
from anthropic.types.shared import ErrorResponse as ErrorResponse
from google.genai.types import Content as Content
from google.genai.types import GenerateContentConfig as GenerateContentConfig
from google.genai.types import GenerateContentResponse as GenerateContentResponse
from openai.types import Batch as Batch
from openai.types import BatchCreateParams as BatchCreateParams
from openai.types import FileObject as FileObject
from openai.types.chat import ChatCompletion as ChatCompletion
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as CompletionCreateParamsNonStreaming,
)
from openai.types.responses import Response as Response
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming as ResponseCreateParamsNonStreaming,
)

MessageBatchParams = _MessageBatchParams


class MessageWithTemperature(MessageCreateParamsNonStreaming, total=False):
    """The SDK has dropped the temperature since version 1.0; the API takes it for models before Claude Opus 4.7."""

    temperature: float
