using System.Reflection;
using Tessera.Checkpoints;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Retrieval;
using Tessera.Training;
using Tessera.Training.Recipes;
using Tessera.Training.Runs;

namespace Tessera.Cli.Shell;

/// <summary>Turns an exception into one line on standard error and an exit code.</summary>
internal static class Errors
{
    /// <summary>Set to anything: the stack trace follows the line.</summary>
    internal const string TraceVariable = "TESSERA_TRACE";

    internal static int Report(Exception error, TextWriter to)
    {
        var cause = Unwrap(error);
        if (cause is OperationCanceledException)
            return ExitCode.Interrupted;
        var code = IsUsers(cause) ? ExitCode.UserError : ExitCode.Failure;
        // A type that this program does not raise itself says nothing by its message alone.
        var message =
            code == ExitCode.UserError || IsOwn(cause)
                ? cause.Message
                : $"{cause.Message} ({cause.GetType().Name}; {TraceVariable}=1 shows where)";
        WriteLine(to, message);
        if (Environment.GetEnvironmentVariable(TraceVariable) is { Length: > 0 })
            to.WriteLine(error);
        return code;
    }

    internal static void WriteLine(TextWriter to, string message) =>
        to.WriteLine($"tessera: {Printable.Of(message.ReplaceLineEndings(" ").Trim())}");

    private static Exception Unwrap(Exception error) =>
        error switch
        {
            TypeInitializationException { InnerException: { } inner } => Unwrap(inner),
            TargetInvocationException { InnerException: { } inner } => Unwrap(inner),
            AggregateException { InnerExceptions: [var inner] } => Unwrap(inner),
            _ => error,
        };

    private static bool IsUsers(Exception error) =>
        error
            is UserException
                or UnknownModelException
                or RecipeException
                or RunException
                or WeightAverageException
                or DataException
                or IndexException
                or WorkerDisagreementException
                or CheckpointException
                or StateDictException
                or FileNotFoundException
                or DirectoryNotFoundException;

    private static bool IsOwn(Exception error) =>
        error is IOException or UnauthorizedAccessException or DllNotFoundException or PlatformNotSupportedException
        || error.GetType().Assembly.GetName().Name!.StartsWith("Tessera.", StringComparison.Ordinal);
}
