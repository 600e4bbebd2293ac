using System.Runtime.InteropServices;
using Tessera.Models;
using Tessera.Native;

namespace Tessera.Deploy;

/// <summary>What a compiled model computes, its precision and its threads.</summary>
public sealed record CompileOptions
{
    /// <summary>Type of the products: float32, or bfloat16 with sums in float32. Logits are float32 in both.</summary>
    public DType Precision { get; init; } = DType.Float32;

    /// <summary>
    /// Number of threads, at least 1; null (the default) takes <see cref="Torch.Threads"/>, which is what the machine gives this process.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Whether it gives a vector for each image (<see cref="Backbone.ForwardEmbedding"/>, of a backbone alone) instead of the logits.
    /// </summary>
    public bool Embedding { get; init; }
}

/// <summary>
/// A model for inference on the CPU, made from what it does with one image: norms folded into the products before them,
/// weights packed once, attention in strips that stay in the cache, all memory laid out beforehand. Several images are spread
/// over the threads, one image is shared by all of them.
/// </summary>
/// <remarks>
/// It holds the weights as they were when it was compiled; another size of image takes them as they are when it is first seen. It keeps the
/// plans of the 8 sizes used last, which share equal weights. Any number of threads may call it at once: each call works in memory of its
/// own, <see cref="WorkingBytes"/> for each of its threads, and leaves it to the calls after it with images of the same size, as long as
/// there are no two newer sizes. So the memory is that of the most calls that ran at once.
/// </remarks>
public sealed unsafe class CompiledModel : IDisposable
{
    private const int MostSizes = 8,
        MostSizesReady = 2; // with memory that calls left to later ones

    private readonly Model model;
    private readonly CompileOptions options;
    private readonly int threads;
    private readonly Lock gate = new();
    private readonly ConstantPool constants = new();
    private readonly List<Compiled> plans = []; // the one used last at the end
    private bool disposed;

    internal CompiledModel(Model model, CompileOptions options, CancellationToken stop)
    {
        var name = model.GetType().Name;
        if (options.Precision is not (DType.Float32 or DType.BFloat16))
            throw new ArgumentException($"precision must be float32 or bfloat16, not {options.Precision.Name()}", nameof(options));
        if (options.Threads is < 1)
            throw new ArgumentOutOfRangeException(nameof(options), options.Threads, "threads must be at least 1");
        if (options.Embedding && model is not Backbone)
            throw new NotSupportedException(
                $"{name} cannot be compiled for embeddings: it is no backbone, and gives no vector for an image"
            );
        if (model.Training)
            throw new InvalidOperationException($"{name} is in training mode: call Eval() before it is compiled");
        if (model is ImageGenerator)
            throw new NotSupportedException($"{name} makes images, and cannot be compiled: only models that look at images can");
        if (!model.TakesImages)
            throw new NotSupportedException($"{name} is a text model, which cannot be compiled: only models of images can");
        foreach (var (path, parameter) in model.NamedParameters())
            if (parameter.DType != DType.Float32 || parameter.Device.Type != DeviceType.Cpu)
                throw new NotSupportedException(
                    $"{name} cannot be compiled: all parameters must be float32 on the CPU, "
                        + $"but {path} is {parameter.DType.Name()} on {parameter.Device}"
                );
        (this.model, this.options, threads) = (model, options, options.Threads ?? Torch.Threads);
        Enter(OwnSize, stop).Dispose();
    }

    private (long Channels, long Height, long Width) OwnSize => (model.Channels, model.ImageSize.Height, model.ImageSize.Width);

    /// <summary>
    /// The kernels in use: the fastest that the processor runs of avx512_bf16, avx512, avx2 and plain, or those that the
    /// environment variable TESSERA_KERNELS names.
    /// </summary>
    /// <exception cref="TorchException">TESSERA_KERNELS names kernels that this processor does not run.</exception>
    public static string Kernels
    {
        get
        {
            Dispatcher.Check(KernelImports.KernelsName(out var name));
            return Marshal.PtrToStringUTF8(name)!;
        }
    }

    /// <summary>Chooses kernels by name, an empty one the fastest; models compiled before must not be called any more.</summary>
    internal static void Use(string kernels) => Dispatcher.Check(KernelImports.KernelsUse(kernels));

    /// <summary>
    /// Computes the logits of images, the scores of their positions, the maps of a detector, or their embeddings: see
    /// <see cref="CompileOptions.Embedding"/>.
    /// </summary>
    /// <param name="images">
    /// Floating-point numbers, [B, C, H, W]; another size than the model's own is compiled when it is first seen.
    /// </param>
    /// <returns>
    /// float32, [B, classes] or [B, D], of a segmenter [B, classes, h, w], of a detector [B, n]: see <see cref="DenseOutputs.Unpack"/>.
    /// </returns>
    /// <exception cref="ShapeException">The model cannot take them; see <see cref="Model.CheckInput"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed before.</exception>
    public Tensor Call(Tensor images)
    {
        model.CheckInput(images);
        // The plan says what is computed in which type, also where a size is first seen.
        using var whole = Torch.Autocast(enabled: false);
        using var use = Enter((images.Size(1), images.Size(2), images.Size(3)));
        using var scope = new Scope();
        var dense = images.To(DType.Float32).Contiguous();
        var count = dense.Size(0);
        var result = Torch.Empty([count, .. use.ResultSizes]);
        if (count == 0)
            return scope.Return(result);
        var spread = count > 1 && threads > 1 ? (int)Math.Min(count, threads) : 1;
        fixed (NativeProgram* first = use.Take(spread))
            Dispatcher.Check(KernelImports.ProgramRun(first, spread, threads, dense.Info.Data, result.Info.Data, count));
        GC.KeepAlive(dense);
        return scope.Return(result);
    }

    /// <summary>Milliseconds of each step for one image, the fastest of several runs, with the operators that it stands for.</summary>
    /// <param name="repeats">Number of runs of which the fastest counts, at least 1.</param>
    /// <param name="stop">Ends the work between two runs.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    public IReadOnlyList<StepTime> Profile(int repeats = 20, CancellationToken stop = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(repeats, 1);
        using var use = Enter(OwnSize, stop);
        var times = new long[use.Steps.Count];
        Array.Fill(times, long.MaxValue);
        var once = new long[times.Length];
        var programs = use.Take(1);
        for (var r = 0; r < repeats; r++)
        {
            stop.ThrowIfCancellationRequested();
            fixed (NativeProgram* first = programs)
            fixed (long* into = once)
                Dispatcher.Check(KernelImports.ProgramProfile(first, threads, into));
            for (var i = 0; i < times.Length; i++)
                times[i] = Math.Min(times[i], once[i]);
        }
        return [.. use.Steps.Select((step, i) => new StepTime(step.Kind.ToString(), step.Label, times[i] / 1e6, step.Macs))];
    }

    /// <summary>Threads that a call spreads over.</summary>
    public int Threads => threads;

    /// <summary>Bytes of memory that the steps share for one image, without the weights.</summary>
    public long WorkingBytes
    {
        get
        {
            lock (gate)
                return plans.Select(plan => plan.Bytes).DefaultIfEmpty().Max();
        }
    }

    /// <summary>Bytes of weights and other constants of all plans together.</summary>
    internal long ConstantBytes => constants.Bytes;

    /// <summary>Frees weights and memory; what calls on other threads still use, the last of them frees.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            foreach (var plan in plans)
                plan.Dispose();
            plans.Clear();
        }
    }

    // Under the lock, so that threads that bring the same new size wait for one plan, and no plan goes before it is used.
    private Holding Enter((long Channels, long Height, long Width) size, CancellationToken stop = default)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var plan = plans.Find(plan => plan.Size == size) ?? new(model, options, constants, size, stop);
            plans.Remove(plan);
            plans.Add(plan);
            if (plans.Count > MostSizes)
            {
                plans[0].Dispose();
                plans.RemoveAt(0);
            }
            foreach (var other in plans.SkipLast(MostSizesReady))
                other.Rest();
            return plan.Enter();
        }
    }

    /// <summary>The plan for one size of image, and the programs that run it.</summary>
    private sealed class Compiled : IDisposable
    {
        private readonly Lock gate = new();
        private readonly Constants constants;
        private readonly Lowering plan;
        private readonly Stack<CompiledProgram> idle = new();
        private readonly List<Tensor> kept = [];
        private int uses;
        private bool disposed;

        internal (long Channels, long Height, long Width) Size { get; }
        internal long Bytes { get; }
        internal long[] ResultSizes { get; }
        internal IReadOnlyList<Step> Steps => plan.Steps;

        internal Compiled(
            Model model,
            CompileOptions options,
            ConstantPool pool,
            (long Channels, long Height, long Width) size,
            CancellationToken stop
        )
        {
            using var scope = new Scope();
            using var quiet = Torch.NoGrad();
            (Size, constants) = (size, new(pool));
            var image = Torch.Zeros([1, size.Channels, size.Height, size.Width]);
            using var trace = new OperatorTrace(image);
            try
            {
                stop.ThrowIfCancellationRequested();
                var graph = Trace(options.Embedding ? ((Backbone)model).ForwardEmbedding : model.Call, image, trace);
                ResultSizes = graph.Result.Sizes[1..];
                plan = new(graph, constants, options.Precision, stop);
            }
            catch
            {
                foreach (var tensor in trace.Constants)
                    tensor.Dispose();
                constants.Dispose();
                throw;
            }
            Bytes = CompiledProgram.Arrange(plan.Roots);
            // What calls of the engine take as constants has to stay.
            var needed = plan
                .EngineCalls.SelectMany(c => c.Values)
                .SelectMany(v => v.Tensors)
                .Select(t => t?.Constant)
                .OfType<Tensor>()
                .ToHashSet(ReferenceEqualityComparer.Instance);
            foreach (var tensor in trace.Constants)
                if (needed.Contains(tensor))
                    kept.Add(tensor);
                else
                    tensor.Dispose();
        }

        // The result goes with the scope, before kernels take its memory's place.
        private static Graph Trace(Func<Tensor, Tensor> compute, Tensor image, OperatorTrace trace)
        {
            using var scope = new Scope();
            var result = compute(image);
            var found = trace.Find(result);
            trace.Dispose();
            return new(trace, found, result.Shape);
        }

        /// <summary>One use, during which the plan stays.</summary>
        internal Holding Enter()
        {
            lock (gate)
                uses++;
            return new(this);
        }

        /// <summary>Programs that belong to the caller alone until it leaves with them.</summary>
        internal CompiledProgram[] Take(int count)
        {
            var programs = new CompiledProgram[count];
            lock (gate)
                for (var i = 0; i < count && idle.TryPop(out var program); i++)
                    programs[i] = program;
            try
            {
                for (var i = 0; i < count; i++)
                    programs[i] ??= new(plan, Bytes);
                return programs;
            }
            catch
            {
                Return(programs);
                throw;
            }
        }

        private void Return(IEnumerable<CompiledProgram?> programs)
        {
            lock (gate)
                foreach (var program in programs.OfType<CompiledProgram>())
                    idle.Push(program);
        }

        internal void Leave(IEnumerable<CompiledProgram> programs)
        {
            lock (gate)
            {
                Return(programs);
                uses--;
                if (disposed && uses == 0)
                    Free();
            }
        }

        /// <summary>Frees the memory of calls that have ended.</summary>
        internal void Rest()
        {
            lock (gate)
                while (idle.TryPop(out var program))
                    program.Dispose();
        }

        public void Dispose()
        {
            lock (gate)
            {
                if (disposed)
                    return;
                disposed = true;
                if (uses == 0)
                    Free();
            }
        }

        private void Free()
        {
            Rest();
            foreach (var tensor in kept)
                tensor.Dispose();
            constants.Dispose();
        }
    }

    /// <summary>A plan in use, with the programs of one call.</summary>
    private sealed class Holding(Compiled plan) : IDisposable
    {
        private CompiledProgram[] programs = [];

        internal long[] ResultSizes => plan.ResultSizes;
        internal IReadOnlyList<Step> Steps => plan.Steps;

        internal NativeProgram[] Take(int count) => Array.ConvertAll(programs = plan.Take(count), program => program.Native);

        public void Dispose() => plan.Leave(programs);
    }
}

/// <summary>Cost of one step of a compiled model.</summary>
/// <param name="Kind">Kind of kernel, such as Gemm; Engine for an operator of libtorch.</param>
/// <param name="Operators">Names of the model's operators that the step computes.</param>
/// <param name="Milliseconds">Shortest measured time for one image, in milliseconds.</param>
/// <param name="Macs">Multiply-accumulates for one image.</param>
public sealed record StepTime(string Kind, string Operators, double Milliseconds, long Macs);

/// <summary>Compiles models for inference.</summary>
public static class Compilation
{
    /// <summary>Compiles a model in evaluation mode for inference on the CPU, without what helps in training alone.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">What it computes, precision and threads.</param>
    /// <param name="stop">Ends the work between two of the model's operators.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was signalled.</exception>
    /// <exception cref="InvalidOperationException">The model is in training mode.</exception>
    /// <exception cref="NotSupportedException">
    /// A model of texts, of another type than float32 or on another device; or the model changes tensors in place.
    /// </exception>
    public static CompiledModel Compile(this Model model, CompileOptions? options = null, CancellationToken stop = default) =>
        new(model, options ?? new(), stop);
}
