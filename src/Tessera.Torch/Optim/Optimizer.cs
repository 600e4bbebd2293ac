namespace Tessera.Optim;

/// <summary>Parameters that share settings.</summary>
/// <param name="Parameters">The parameters with their names.</param>
/// <param name="WeightDecay">Decay of this group.</param>
/// <param name="Scale">Factor of the learning rate (layer-wise decay).</param>
public sealed record ParameterGroup(IReadOnlyList<(string Name, Parameter Parameter)> Parameters, double WeightDecay = 0, double Scale = 1)
{
    /// <summary>
    /// Two groups, with and without weight decay: without are vectors and scalars (norms, biases) and every name of which
    /// <paramref name="withoutDecay"/> is true.
    /// </summary>
    public static ParameterGroup[] Split(Module module, double weightDecay, Func<string, bool>? withoutDecay = null)
    {
        var learned = module.NamedParameters().Where(p => p.Parameter.RequiresGrad).ToLookup(p => p.Parameter.Dim <= 1 || p.Name.EndsWith(".bias", StringComparison.Ordinal) || withoutDecay?.Invoke(p.Name) == true);
        return [new([.. learned[false]], weightDecay), new([.. learned[true]], 0)];
    }

    /// <summary>One group of all parameters that are learned.</summary>
    public static ParameterGroup[] All(Module module, double weightDecay) => [new([.. module.NamedParameters().Where(p => p.Parameter.RequiresGrad)], weightDecay)];
}

/// <summary>Changes parameters by their gradients. A parameter without gradient is left alone.</summary>
public abstract class Optimizer
{
    private readonly Dictionary<string, Dictionary<string, Tensor>> state = [];
    private readonly Dictionary<string, long> steps = [];

    /// <summary>An optimiser of the given groups.</summary>
    /// <exception cref="ArgumentException">A parameter (or a name) is in two groups.</exception>
    protected Optimizer(IEnumerable<ParameterGroup> groups, double learningRate)
    {
        Groups = [.. groups.Where(g => g.Parameters.Count > 0)];
        LearningRate = learningRate;
        var names = new HashSet<string>();
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var (name, parameter) in Groups.SelectMany(g => g.Parameters))
            if (!names.Add(name) || !seen.Add(parameter)) throw new ArgumentException($"parameter '{name}' is given twice", nameof(groups));
    }

    /// <summary>The groups.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; }

    /// <summary>The learning rate of the next step; schedules set it.</summary>
    public double LearningRate { get; set; }

    /// <summary>One step with the gradients that the parameters hold.</summary>
    public void Step()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Prepare(Groups.SelectMany(g => g.Parameters).Select(p => p.Parameter.Grad).OfType<Tensor>());
        foreach (var group in Groups)
            foreach (var (name, parameter) in group.Parameters)
            {
                if (parameter.Grad is not { } gradient) continue;
                var step = steps.GetValueOrDefault(name) + 1;
                steps[name] = step;
                using var inner = new Scope();
                Update(new Slot(this, name), parameter, gradient, group, LearningRate * group.Scale, step);
            }
    }

    /// <summary>Called at the beginning of a step with all gradients, for what goes by all of them together.</summary>
    protected virtual void Prepare(IEnumerable<Tensor> gradients) { }

    /// <summary>Changes one parameter; <paramref name="step"/> counts from 1.</summary>
    protected abstract void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step);

    /// <summary>Drops the gradients of all parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, parameter) in Groups.SelectMany(g => g.Parameters)) parameter.Grad = null;
    }

    /// <summary>What the optimiser remembers: tensors as <c>parameter/slot</c> and the steps taken as <c>parameter/step</c>.</summary>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var (name, count) in steps)
        {
            result.Add($"{name}/step", Tensor.Of(count));
            foreach (var (slot, tensor) in state.GetValueOrDefault(name) ?? []) result.Add($"{name}/{slot}", tensor);
        }
        return result;
    }

    /// <summary>Takes up what <see cref="StateDict"/> gave; after an error nothing has changed.</summary>
    /// <exception cref="ArgumentException">It speaks of a parameter that the optimiser does not have, or of another shape.</exception>
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
            if (cut < 0 || !own.TryGetValue(name, out var parameter)) throw new ArgumentException($"the optimiser's state speaks of '{key}', which is no parameter here", nameof(saved));
            if (key[(cut + 1)..] == "step") counts[name] = tensor.ToInt64();
            else
            {
                if (tensor.Dim > 0 && tensor.Shape != parameter.Shape) throw new ArgumentException($"the optimiser's state '{key}' is of shape {tensor.Shape}, the parameter of {parameter.Shape}", nameof(saved));
                if (!loaded.TryGetValue(name, out var slots)) loaded[name] = slots = [];
                slots[key[(cut + 1)..]] = tensor.To(dtype: null, device: parameter.Device).Clone();
            }
        }
        foreach (var tensor in state.Values.SelectMany(slots => slots.Values)) tensor.Dispose();
        state.Clear();
        steps.Clear();
        foreach (var (name, count) in counts) steps[name] = count;
        foreach (var (name, slots) in loaded)
        {
            foreach (var tensor in slots.Values) tensor.Keep();
            state[name] = slots;
        }
    }

    /// <summary>What is remembered of one parameter.</summary>
    protected readonly struct Slot(Optimizer optimizer, string parameter)
    {
        /// <summary>A remembered tensor; null before the first step.</summary>
        public Tensor? Get(string name) => optimizer.state.TryGetValue(parameter, out var slots) ? slots.GetValueOrDefault(name) : null;

        /// <summary>A remembered tensor; made by <paramref name="create"/> at the first step.</summary>
        public Tensor Get(string name, Func<Tensor> create)
        {
            if (!optimizer.state.TryGetValue(parameter, out var slots)) optimizer.state[parameter] = slots = [];
            if (!slots.TryGetValue(name, out var tensor)) slots[name] = tensor = create().Keep();
            return tensor;
        }
    }
}
