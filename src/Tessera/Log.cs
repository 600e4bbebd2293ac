using Microsoft.Extensions.Logging;

namespace Tessera.Hosting;

/// <summary>The messages of predictors.</summary>
internal static partial class Log
{
    [LoggerMessage(
        1,
        LogLevel.Information,
        "{Name}: loaded {Model} with {Parameters} parameters from {Source} in {Milliseconds} ms, {Classes} classes"
    )]
    internal static partial void Loaded(
        ILogger logger,
        string name,
        string model,
        long parameters,
        string source,
        long milliseconds,
        int classes
    );

    [LoggerMessage(
        2,
        LogLevel.Information,
        "{Name}: {Output} compiled in {Milliseconds} ms for {Kernels} in {Precision}, {Threads} threads an image"
    )]
    internal static partial void Compiled(
        ILogger logger,
        string name,
        string output,
        long milliseconds,
        string kernels,
        string precision,
        int threads
    );

    [LoggerMessage(3, LogLevel.Warning, "{Name}: {Output} are computed uncompiled: {Reason}")]
    internal static partial void Uncompiled(ILogger logger, string name, string output, string reason);

    [LoggerMessage(4, LogLevel.Warning, "{Name}: weights of {Source}: {Note}")]
    internal static partial void Note(ILogger logger, string name, string source, string note);

    [LoggerMessage(5, LogLevel.Debug, "{Name}: {Operation} failed")]
    internal static partial void Failed(ILogger logger, string name, string operation, Exception error);

    [LoggerMessage(6, LogLevel.Information, "{Name}: {Concurrency} images at once")]
    internal static partial void Ready(ILogger logger, string name, int concurrency);
}
