namespace Tessera.Optim;

/// <summary>Parameters that share settings.</summary>
/// <param name="Parameters">The parameters with their names.</param>
/// <param name="WeightDecay">Decay of this group.</param>
/// <param name="Scale">Factor of the learning rate (layer-wise decay).</param>
public sealed record ParameterGroup(IReadOnlyList<(string Name, Parameter Parameter)> Parameters, double WeightDecay = 0, double Scale = 1)
{
    /// <summary>
    /// Two groups, with and without weight decay. The second holds vectors and scalars (norms, biases) and every name for which
    /// <paramref name="withoutDecay"/> is true.
    /// </summary>
    public static ParameterGroup[] Split(Module module, double weightDecay, Func<string, bool>? withoutDecay = null)
    {
        var learned = module
            .NamedParameters()
            .Where(p => p.Parameter.RequiresGrad)
            .ToLookup(p =>
                p.Parameter.Dim <= 1 || p.Name.EndsWith(".bias", StringComparison.Ordinal) || withoutDecay?.Invoke(p.Name) == true
            );
        return [new([.. learned[false]], weightDecay), new([.. learned[true]], 0)];
    }

    /// <summary>One group of all parameters that are learned.</summary>
    public static ParameterGroup[] All(Module module, double weightDecay) =>
        [new([.. module.NamedParameters().Where(p => p.Parameter.RequiresGrad)], weightDecay)];
}

/// <summary>Changes parameters by their gradients. A parameter without a gradient stays unchanged.</summary>
public abstract class Optimizer
{
    private readonly Dictionary<string, Dictionary<string, Tensor>> state = [];
    private readonly Dictionary<string, long> steps = [];
    private readonly Exclusive stepping = new("another thread takes a step of this optimiser: one thread at a time must");
    private RecordedNumbers? recorded;

    /// <summary>An optimiser of the given groups.</summary>
    /// <exception cref="ArgumentException">A parameter (or a name) is in two groups.</exception>
    protected Optimizer(IEnumerable<ParameterGroup> groups, double learningRate)
    {
        Groups = [.. groups.Where(g => g.Parameters.Count > 0)];
        LearningRate = learningRate;
        var names = new HashSet<string>();
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var (name, parameter) in Groups.SelectMany(g => g.Parameters))
            if (!names.Add(name) || !seen.Add(parameter))
                throw new ArgumentException($"parameter '{name}' is listed twice", nameof(groups));
    }

    /// <summary>The groups.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The learning rate of the next step, or of the next replay of a recorded step. Schedules set it.</summary>
    public double LearningRate
    {
        get;
        set
        {
            field = value;
            recorded?.SetRate(value);
        }
    }

    /// <summary>Factor of the weight decay of all groups in the next step; 1 unless a schedule sets it.</summary>
    /// <exception cref="NotSupportedException">Steps are recorded, and would repeat the decay that they were recorded with.</exception>
    public double DecayScale
    {
        get;
        set
        {
            if (Recordable && value != field)
                throw new NotSupportedException("a recorded step repeats its weight decay: DecayScale must stay as it is");
            field = value;
        }
    } = 1;

    /// <summary>
    /// Whether steps can be recorded in a <see cref="CudaGraph"/>: the learning rate and the counts of steps lie on the device then,
    /// where replays read and advance them. For AdamW and Adam; move the parameters to their device before setting it.
    /// </summary>
    /// <exception cref="NotSupportedException">The optimiser, or the libtorch in use, has no such step.</exception>
    public bool Recordable
    {
        get => recorded is not null;
        set
        {
            if (value == Recordable)
                return;
            if (value && WhyNotRecordable() is { } reason)
                throw new NotSupportedException(reason);
            if (value)
                recorded = new(Groups.SelectMany(g => g.Parameters), steps, LearningRate);
            else
            {
                foreach (var (name, count) in recorded!.Counts())
                    steps[name] = count;
                recorded.Dispose();
                recorded = null;
            }
        }
    }

    private protected virtual string? WhyNotRecordable() =>
        $"the steps of {GetType().Name} cannot be recorded in a CUDA graph: use AdamW or Adam";

    private protected RecordedNumbers? Recorded => recorded;

    /// <summary>One step with the gradients that the parameters hold.</summary>
    /// <exception cref="InvalidOperationException">
    /// A graph is being recorded, and the step would repeat its numbers at every replay; or another thread takes a step.
    /// </exception>
    public void Step()
    {
        if (CudaGraph.IsRecording && !Recordable)
            throw new InvalidOperationException(
                "a recorded step would repeat its learning rate and count at every replay: set the optimiser's Recordable first"
            );
        using var alone = stepping.Enter();
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Prepare(Groups.SelectMany(g => g.Parameters).Select(p => p.Parameter.Grad).OfType<Tensor>());
        foreach (var group in Groups)
        {
            var learned = new List<Learned>(group.Parameters.Count);
            foreach (var (name, parameter) in group.Parameters)
            {
                if (parameter.Grad is not { } gradient)
                    continue;
                var step = recorded is null ? steps[name] = steps.GetValueOrDefault(name) + 1 : 0;
                learned.Add(new(name, parameter, gradient, step));
            }
            var scaled = DecayScale == 1 ? group : group with { WeightDecay = group.WeightDecay * DecayScale };
            UpdateAll(learned, scaled, LearningRate * group.Scale);
        }
    }

    /// <summary>A parameter in a step, with its gradient and its count of steps (0 where steps are recorded).</summary>
    private protected readonly record struct Learned(string Name, Parameter Parameter, Tensor Gradient, long Step);

    private protected Slot SlotOf(string name) => new(this, name);

    // One after the other; optimisers that have an operator for many at once use it.
    private protected virtual void UpdateAll(List<Learned> learned, ParameterGroup group, double learningRate)
    {
        foreach (var (name, parameter, gradient, step) in learned)
        {
            using var inner = new Scope();
            Update(new Slot(this, name), parameter, gradient, group, learningRate, step);
        }
    }

    /// <summary>Called at the beginning of a step with all gradients, to compute values that depend on all of them.</summary>
    protected virtual void Prepare(IEnumerable<Tensor> gradients) { }

    /// <summary>Changes one parameter; <paramref name="step"/> counts from 1.</summary>
    protected abstract void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step);

    /// <summary>Drops the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in Groups.SelectMany(g => g.Parameters))
            parameter.Grad = null;
    }

    /// <summary>The optimiser's state: tensors as <c>parameter/slot</c> and counts of steps as <c>parameter/step</c>.</summary>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, count) in recorded?.Counts() ?? steps)
        {
            result.Add($"{name}/step", Tensor.Of(count));
            foreach (var (slot, tensor) in state.GetValueOrDefault(name) ?? [])
                result.Add($"{name}/{slot}", tensor);
        }
        return result;
    }

    /// <summary>Restores the result of <see cref="StateDict"/>. After an error, the state is unchanged.</summary>
    /// <exception cref="ArgumentException">The state names an unknown parameter, or a tensor has the wrong shape.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> saved)
    {
        var own = Groups.SelectMany(g => g.Parameters).ToDictionary(p => p.Name, p => p.Parameter);
        using var scope = new Scope();
        var counts = new Dictionary<string, long>();
        var loaded = new Dictionary<string, Dictionary<string, Tensor>>();
        foreach (var (key, tensor) in saved)
        {
            var cut = key.LastIndexOf('/');
            var name = cut < 0 ? key : key[..cut];
            if (cut < 0 || !own.TryGetValue(name, out var parameter))
                throw new ArgumentException($"the optimiser's state names '{key}', which is not one of its parameters", nameof(saved));
            if (key[(cut + 1)..] == "step")
                counts[name] = tensor.ToInt64();
            else
            {
                if (tensor.Dim > 0 && tensor.Shape != parameter.Shape)
                    throw new ArgumentException(
                        $"the optimiser's state '{key}' must have the shape {parameter.Shape} of its parameter, not {tensor.Shape}",
                        nameof(saved)
                    );
                if (!loaded.TryGetValue(name, out var slots))
                    loaded[name] = slots = [];
                // As it would lie had it been made here: like the parameter, whatever the order of its dimensions in memory.
                slots[key[(cut + 1)..]] =
                    tensor.Dim > 0
                        ? parameter.EmptyLike(dtype: tensor.DType).Copy_(tensor)
                        : tensor.To(dtype: null, device: parameter.Device).Clone();
            }
        }
        foreach (var tensor in state.Values.SelectMany(slots => slots.Values))
            tensor.Dispose();
        state.Clear();
        steps.Clear();
        foreach (var (name, count) in counts)
            steps[name] = count;
        recorded?.SetCounts(steps);
        foreach (var (name, slots) in loaded)
        {
            foreach (var tensor in slots.Values)
                tensor.Keep();
            state[name] = slots;
        }
    }

    /// <summary>The state of one parameter.</summary>
    protected readonly struct Slot(Optimizer optimizer, string parameter)
    {
        /// <summary>A tensor of the state; null before the first step.</summary>
        public Tensor? Get(string name) => optimizer.state.TryGetValue(parameter, out var slots) ? slots.GetValueOrDefault(name) : null;

        /// <summary>A tensor of the state, which <paramref name="create"/> makes at the first step.</summary>
        public Tensor Get(string name, Func<Tensor> create)
        {
            if (!optimizer.state.TryGetValue(parameter, out var slots))
                optimizer.state[parameter] = slots = [];
            if (!slots.TryGetValue(name, out var tensor))
                slots[name] = tensor = create().Keep();
            return tensor;
        }
    }
}
