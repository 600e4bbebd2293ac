using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting;

/// <summary>
/// A model that any number of threads ask at once. It is loaded once and shares its weights; a few threads of its own decode images and
/// compute, each in memory that it keeps, so that neither memory nor time grows with the number of callers. An image is computed by
/// itself: its answer does not depend on the calls beside it.
/// </summary>
public sealed class Predictor : IDisposable
{
    private const string PredictOperation = "predict",
        EmbedOperation = "embed";

    private readonly LoadedModel loaded;
    private readonly (int Top, int? QueueLimit) limits;
    private readonly ILogger logger;
    private readonly PredictorMetrics metrics;
    private readonly WorkQueue queue;

    /// <summary>Loads a model.</summary>
    /// <param name="options">Which model, and how it computes.</param>
    /// <param name="logger">Told of loading, compiling and failures.</param>
    /// <param name="meters">Makes the meter; null for one of its own.</param>
    /// <param name="name">Name in messages and metrics; the model's by default.</param>
    /// <exception cref="RunException">The options or the files cannot be used; the message says why.</exception>
    /// <exception cref="StateDictException">The weights are not those of the model.</exception>
    public Predictor(PredictorOptions options, ILogger<Predictor>? logger = null, IMeterFactory? meters = null, string? name = null)
        : this(
            PredictorOptionsValidator.Problems(options).FirstOrDefault() is { } problem ? throw new RunException(problem) : options,
            null,
            logger,
            meters,
            name
        ) { }

    /// <summary>Uses a model that is there already; nothing else may change it from now on.</summary>
    /// <param name="bundle">The model.</param>
    /// <param name="options">How it computes; the fields that say which model and where must be left alone. Null for the defaults.</param>
    /// <param name="logger">Told of compiling and failures.</param>
    /// <param name="meters">Makes the meter; null for one of its own.</param>
    /// <param name="name">Name in messages and metrics; the model's by default.</param>
    /// <exception cref="RunException">The options or the model cannot be used; the message says why.</exception>
    public static Predictor FromBundle(
        ModelBundle bundle,
        PredictorOptions? options = null,
        ILogger<Predictor>? logger = null,
        IMeterFactory? meters = null,
        string? name = null
    )
    {
        options ??= new();
        return PredictorOptionsValidator.ProblemsOfUse(options).FirstOrDefault() is { } problem
            ? throw new RunException(problem)
            : new(options, bundle, logger, meters, name);
    }

    private Predictor(PredictorOptions options, ModelBundle? bundle, ILogger? logger, IMeterFactory? meters, string? name)
    {
        (limits, this.logger) = ((options.Top, options.QueueLimit), logger ?? NullLogger.Instance);
        loaded = LoadedModel.Load(options, bundle, this.logger, name);
        Name = name ?? Bundle.Content.Model.Title;
        metrics = new(Name, meters);
        queue = new($"Tessera {Name}", loaded.Concurrency, options.QueueLimit);
    }

    /// <summary>Name in messages and metrics.</summary>
    public string Name { get; }

    /// <summary>The model with its classes and preprocessing. It is in use: it must not be changed.</summary>
    public ModelBundle Bundle => loaded.Bundle;

    /// <summary>Images that are decoded and computed at once.</summary>
    public int Concurrency => loaded.Concurrency;

    /// <summary>Whether the model was compiled.</summary>
    public bool IsCompiled => loaded.IsCompiled;

    /// <summary>Values of an embedding.</summary>
    public int EmbeddingSize => Bundle.Backbone.NumFeatures;

    /// <summary>Classifies an image and waits for the answer.</summary>
    /// <inheritdoc cref="PredictAsync"/>
    public Prediction Predict(ImageInput image, CancellationToken cancellation = default) =>
        PredictAsync(image, cancellation).GetAwaiter().GetResult();

    /// <summary>Classifies an image.</summary>
    /// <param name="image">An <see cref="Data.Imaging.Image"/>, a path, or the bytes of a file.</param>
    /// <param name="cancellation">Ends waiting at once, and computing before the model runs.</param>
    /// <returns>The likeliest classes, as many as <see cref="PredictorOptions.Top"/>.</returns>
    /// <exception cref="Data.DataException">The image cannot be read.</exception>
    /// <exception cref="RunException">The classifier was never trained.</exception>
    /// <exception cref="PredictorBusyException">As many calls are waiting as may.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The predictor was disposed.</exception>
    public Task<Prediction> PredictAsync(ImageInput image, CancellationToken cancellation = default) =>
        RunAsync(PredictOperation, image, sample => loaded.Predict(sample, limits.Top), cancellation);

    /// <summary>Gives the features of an image and waits for them.</summary>
    /// <inheritdoc cref="EmbedAsync"/>
    public ReadOnlyMemory<float> Embed(ImageInput image, CancellationToken cancellation = default) =>
        EmbedAsync(image, cancellation).GetAwaiter().GetResult();

    /// <summary>Gives the features that the classifier sees: images that look alike have features that point the same way.</summary>
    /// <param name="image">An <see cref="Data.Imaging.Image"/>, a path, or the bytes of a file.</param>
    /// <param name="cancellation">Ends waiting at once, and computing before the model runs.</param>
    /// <returns>As many values as <see cref="EmbeddingSize"/>, not normalized.</returns>
    /// <exception cref="Data.DataException">The image cannot be read.</exception>
    /// <exception cref="PredictorBusyException">As many calls are waiting as may.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The predictor was disposed.</exception>
    public Task<ReadOnlyMemory<float>> EmbedAsync(ImageInput image, CancellationToken cancellation = default) =>
        RunAsync(EmbedOperation, image, loaded.Embed, cancellation);

    /// <summary>Whether the model answers with numbers, in its turn and without being counted.</summary>
    internal async Task<bool> AnswersAsync(CancellationToken cancellation) =>
        await (
            queue.TryRun(loaded.Answers, cancellation) ?? throw new PredictorBusyException(Name, limits.QueueLimit!.Value)
        ).ConfigureAwait(false);

    private async Task<T> RunAsync<T>(string operation, ImageInput image, Func<GivenSample, T> answer, CancellationToken cancellation)
    {
        using var activity = Telemetry.Activities.StartActivity($"{operation} {Name}");
        activity?.SetTag(Telemetry.ModelTag, Name).SetTag(Telemetry.OperationTag, operation);
        var (asked, isWaiting) = (Stopwatch.GetTimestamp(), true);
        metrics.Queued(operation);
        try
        {
            var running = queue.TryRun(Work, cancellation) ?? throw new PredictorBusyException(Name, limits.QueueLimit!.Value);
            var result = await running.ConfigureAwait(false);
            metrics.Answered(operation, Stopwatch.GetElapsedTime(asked));
            return result;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            metrics.Failed(operation, error);
            activity?.SetStatus(ActivityStatusCode.Error, error.Message);
            Log.Failed(logger, Name, operation, error);
            throw;
        }
        finally
        {
            if (isWaiting)
                metrics.Left(operation);
        }

        T Work()
        {
            isWaiting = false;
            metrics.Left(operation);
            metrics.Waited(operation, Stopwatch.GetElapsedTime(asked));
            return answer(image.Sample(Bundle, decoded: () => metrics.Decoded(operation), cancellation));
        }
    }

    /// <summary>Frees the model. Calls that are waiting fail; those that have begun are finished first.</summary>
    public void Dispose()
    {
        queue.Dispose();
        loaded.Dispose();
        metrics.Dispose();
    }
}
