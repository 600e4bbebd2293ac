using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Tessera.Deploy;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting;

/// <summary>A model that was loaded as options say, ready to be asked by several threads.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly Precision precision;
    private readonly CompiledModel? compiled;

    // It has weights of its own: who only classifies does without.
    private readonly Lazy<CompiledModel?> compiledEmbedding;

    // What runs operator by operator takes all threads of the engine for each of them, or all of a GPU.
    private readonly SemaphoreSlim uncompiled;

    private LoadedModel(ModelBundle bundle, CompiledModel? compiled, Func<CompiledModel?> compileEmbedding, PredictorOptions options)
    {
        (Bundle, this.compiled, compiledEmbedding, precision) = (bundle, compiled, new(compileEmbedding), options.Precision);
        Concurrency = options.Concurrency ?? Math.Max(1, Math.Min(Torch.Threads, Environment.ProcessorCount) / (options.Threads ?? 1));
        var isOnCpu = DeviceOf(bundle.Model).Type == DeviceType.Cpu;
        uncompiled = new(options.Concurrency ?? (isOnCpu ? Math.Max(1, Environment.ProcessorCount / Torch.Threads) : 1));
    }

    internal ModelBundle Bundle { get; }

    internal bool IsCompiled => compiled is not null;

    /// <summary>Images that are worked on at once.</summary>
    internal int Concurrency { get; }

    /// <summary>Loads and compiles.</summary>
    /// <param name="options">Without problems.</param>
    /// <param name="given">A model that is there already; null to load the one that the options name.</param>
    /// <param name="logger">Told of both.</param>
    /// <param name="name">Name in messages; null for the model's.</param>
    /// <exception cref="RunException">The model cannot be used in this way.</exception>
    internal static LoadedModel Load(PredictorOptions options, ModelBundle? given, ILogger logger, string? name)
    {
        var clock = Stopwatch.StartNew();
        var bundle = given ?? Load(options);
        var model = bundle.Model;
        name ??= bundle.Content.Model.Title;
        if (!model.TakesImages)
            throw new RunException($"{name} takes texts: a predictor is for models of images; ModelBundle.Predict takes texts");
        if (model.Training)
            throw new RunException($"{name} is in training mode: call Eval() first");
        if (given is null)
            Log.Loaded(
                logger,
                name,
                bundle.Content.Model.Title,
                model.ParameterCount,
                bundle.Source,
                clock.ElapsedMilliseconds,
                bundle.Classes.Count
            );
        foreach (var note in bundle.Notes)
            Log.Note(logger, name, bundle.Source, note);
        CompiledModel? Compiled(bool embedding) => Compile(options, model, embedding, logger, name);
        var compiled = Compiled(embedding: false);
        var loaded = new LoadedModel(
            bundle,
            compiled,
            () => compiled is null || bundle.Task.Descriptor is not null ? null : Compiled(embedding: true),
            options
        );
        Log.Ready(logger, name, loaded.Concurrency);
        return loaded;
    }

    private static Device DeviceOf(Model model) => model.Parameters().First().Device;

    private static ModelBundle Load(PredictorOptions options)
    {
        var device = Device.Parse(options.Device);
        if (options.Run is { Length: > 0 } run)
            return ModelBundle.Load(run, device, options.Best, options.Ema);
        var weights = new WeightsFile(options.Weights!, Ema: options.Ema);
        return ModelBundle.FromWeights(
            Registry.Get(options.Model!),
            weights,
            options.Classes.Count > 0 ? [.. options.Classes] : null,
            device: device
        );
    }

    private static CompiledModel? Compile(PredictorOptions options, Model model, bool embedding, ILogger logger, string name)
    {
        if (options.Compiled == false || (options.Compiled is null && DeviceOf(model).Type != DeviceType.Cpu))
            return null;
        var clock = Stopwatch.StartNew();
        var threads = options.Threads ?? 1;
        var precision = options.Precision == Precision.Bf16 ? DType.BFloat16 : DType.Float32;
        try
        {
            var compiled = model.Compile(
                new()
                {
                    Precision = precision,
                    Threads = threads,
                    Embedding = embedding,
                }
            );
            Log.Compiled(logger, name, Output(embedding), clock.ElapsedMilliseconds, CompiledModel.Kernels, precision.Name(), threads);
            return compiled;
        }
        catch (NotSupportedException error) when (options.Compiled is null)
        {
            Log.Uncompiled(logger, name, Output(embedding), error.Message);
            return null;
        }
        catch (NotSupportedException error)
        {
            throw new RunException($"{name}: Compiled cannot be true: {error.Message}");
        }
    }

    private static string Output(bool embedding) => embedding ? "embeddings" : "logits";

    /// <summary>What the model says of a sample.</summary>
    /// <param name="sample">The sample.</param>
    /// <param name="most">How many classes are listed at most.</param>
    internal Prediction Predict(GivenSample sample, int most) =>
        // A detector computes behind its maps too: without a compiled model, all of the answer waits for its turn.
        compiled is null
        && Bundle.Model is Detector
            ? Uncompiled(() => Bundle.Predict(sample, most))
            : Bundle.Predict(sample, most, Logits);

    /// <summary>The logits of prepared images.</summary>
    internal Tensor Logits(Tensor images)
    {
        if (compiled is not null)
            return compiled.Call(images);
        return Uncompiled(() => Bundle.Model.Call(images));
    }

    /// <summary>Whether it gives numbers for some image.</summary>
    internal bool Answers()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return Logits(Bundle.Model.ExampleInput()).ToArray<float>().All(float.IsFinite);
    }

    /// <summary>The embedding of a sample.</summary>
    internal ReadOnlyMemory<float> Embed(GivenSample sample)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var image = sample.Read().Inputs.To(DeviceOf(Bundle.Model));
        var vector = compiledEmbedding.Value is { } fast ? fast.Call(image) : Uncompiled(() => Bundle.Describe(image));
        return vector.To(DType.Float32).ToArray<float>();
    }

    private T Uncompiled<T>(Func<T> compute)
    {
        uncompiled.Wait();
        try
        {
            using var shorter = Shorter();
            return compute();
        }
        finally
        {
            uncompiled.Release();
        }
    }

    private Autocast? Shorter() =>
        precision switch
        {
            Precision.Bf16 => Torch.Autocast(DType.BFloat16, DeviceOf(Bundle.Model).Type),
            Precision.Fp16 => Torch.Autocast(DType.Float16, DeviceOf(Bundle.Model).Type),
            _ => null,
        };

    public void Dispose()
    {
        compiled?.Dispose();
        if (compiledEmbedding.IsValueCreated)
            compiledEmbedding.Value?.Dispose();
        uncompiled.Dispose();
    }
}
