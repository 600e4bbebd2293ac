using System.Text.Json;

namespace Tessera.Conformance;

/// <summary>One golden file run in one precision: gives the case its inputs and weights and compares what it puts out.</summary>
/// <param name="file">The golden file.</param>
/// <param name="precision">The precision that the case computes in.</param>
/// <param name="device">Where it computes.</param>
/// <param name="perturbation">Changes every weight and input by a share of itself, up or down as a number above 0 draws.</param>
internal sealed class GoldenRun(GoldenFile file, Precision precision, Device device, (int Number, double Share) perturbation = default)
{
    private readonly Dictionary<string, Tensor> inputs = [];
    private readonly OrderedDictionary<string, Tensor> outputs = [];
    private readonly Dictionary<string, Tensor> leaves = [];
    private readonly HashSet<string> usedInputs = [];
    private readonly HashSet<string> usedParameters = [];
    private readonly HashSet<string> comparedGradients = [];
    private readonly List<string> failures = [];
    private readonly Dictionary<string, double> differences = [];
    private readonly HashSet<string> beyond = [];
    private string? culprit;

    public GoldenFile File { get; } = file;

    /// <summary>The file's configuration. A case has to use all of it.</summary>
    public Config Config { get; } = file.NewConfig();

    /// <summary>The fields that only files of this case have. A case has to use all of them.</summary>
    public Config Fields { get; } = file.NewFields();

    public bool Training => File.Mode == "train";

    /// <summary>The type that the case computes in.</summary>
    public DType Real { get; } = precision.Real;

    /// <summary>Where weights and inputs lie.</summary>
    public Device Device { get; } = device;

    /// <summary>The worst error as a multiple of what is allowed: above 1 the file fails.</summary>
    public double Worst { get; private set; }

    /// <summary>Everything that is wrong.</summary>
    public IReadOnlyList<string> Failures => culprit is null ? failures : [.. failures, culprit];

    public bool Passed => failures.Count == 0 && Worst <= 1;

    /// <summary>An input by name, in this run's precision. It gathers gradients when the file records some for it.</summary>
    public Tensor Input(string name)
    {
        if (inputs.TryGetValue(name, out var known))
            return known;
        var tensor = Perturbed(name, Fill.Input(name, InputRule(name), Real)).Detach().To(Device);
        if (tensor.DType.IsFloat() && File.Gradients.Count > 0)
            tensor.RequiresGrad = true;
        leaves[name] = tensor;
        return inputs[name] = tensor;
    }

    /// <summary>An input that the file gives in full, in double precision whatever this run's is.</summary>
    public double[] Literal(string name) => [.. InputRule(name).GetProperty("literal").EnumerateArray().Select(v => v.GetDouble())];

    private JsonElement InputRule(string name)
    {
        usedInputs.Add(name);
        return File.Inputs.TryGetValue(name, out var rule) ? rule : throw new KeyNotFoundException($"the file has no input '{name}'");
    }

    // Drawn by name, not by the engine's generator: files that run side by side share that one.
    private Tensor Perturbed(string name, Tensor tensor) =>
        perturbation.Number == 0 || !tensor.DType.IsFloat()
            ? tensor
            : tensor
                * (
                    1
                    + Tensor
                        .From(Fill.Values($"perturbation {perturbation.Number}: {name}", tensor.Elements, 0, 1))
                        .Reshape(tensor.Shape)
                        .To(tensor.DType)
                        .Sign() * perturbation.Share
                );

    /// <summary>Whether the file has an input.</summary>
    public bool HasInput(string name) => File.Inputs.ContainsKey(name);

    /// <summary>
    /// Compares a module's state dict with the file's (names, order, shapes, count), fills it, converts it to this run's
    /// precision and switches it to the file's mode.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="rename">The file's name for one of the module's; by default they are the same.</param>
    public T Load<T>(T module, Func<string, string>? rename = null)
        where T : Module
    {
        // A shared tensor stands in the state dict under each of its names; files name it once.
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        var listed = File.Parameters.Select(p => p.Name).ToHashSet();
        var all = module.StateDict().Select(e => KeyValuePair.Create(rename?.Invoke(e.Key) ?? e.Key, e.Value)).ToArray();
        seen.UnionWith(all.Where(e => listed.Contains(e.Key)).Select(e => e.Value));
        var state = new OrderedDictionary<string, Tensor>(all.Where(e => listed.Contains(e.Key) || seen.Add(e.Value)));
        var ours = state.Select(e => $"{e.Key} {e.Value.Shape}").ToArray();
        var theirs = File.Parameters.Select(p => $"{p.Name} {new Shape(p.Shape)}").ToArray();
        if (!ours.SequenceEqual(theirs))
        {
            var first = Enumerable
                .Range(0, Math.Max(ours.Length, theirs.Length))
                .First(i => i >= ours.Length || i >= theirs.Length || ours[i] != theirs[i]);
            string Entry(string[] entries) => first < entries.Length ? entries[first] : "nothing";
            throw new GoldenMismatchException(
                $"state dict differs at entry {first}: {Entry(ours)} here, {Entry(theirs)} in the file"
                    + $" (only here: {string.Join(", ", ours.Except(theirs).Take(5))}; "
                    + $"only there: {string.Join(", ", theirs.Except(ours).Take(5))})"
            );
        }
        if (File.ParameterCount is { } count && module.ParameterCount != count)
            Fail($"{module.ParameterCount} parameters, {count} in the file");
        module.To(Device, Real);
        using (Torch.NoGrad())
            foreach (var rule in File.Parameters.Where(p => p.Kept is null))
            {
                using var scope = new Scope();
                var values = Tensor
                    .From(Fill.Values(rule.Name, new Shape(rule.Shape).Elements, rule.Offset, rule.Scale))
                    .Reshape(rule.Shape);
                state[rule.Name].Copy_(Perturbed(rule.Name, values.To(Real)));
            }
        module.Train(Training);
        usedParameters.UnionWith(listed);
        foreach (var (name, tensor) in state)
            if (tensor is Parameter)
                leaves[name] = tensor;
        return module;
    }

    /// <summary>A tensor filled by the rule of a parameter of the file, for cases without a module; it gathers gradients.</summary>
    public Tensor Parameter(string name)
    {
        if (leaves.TryGetValue(name, out var known))
            return known;
        usedParameters.Add(name);
        var rule = File.Parameters.FirstOrDefault(p => p.Name == name)
            ?? throw new KeyNotFoundException($"the file has no parameter '{name}'");
        var tensor = Tensor.From(Fill.Values(name, new Shape(rule.Shape).Elements, rule.Offset, rule.Scale)).Reshape(rule.Shape).To(Real);
        tensor = Perturbed(name, tensor).Detach().To(Device);
        tensor.RequiresGrad = true;
        return leaves[name] = tensor;
    }

    /// <summary>Lets a tensor of any name take part in the comparison of gradients.</summary>
    public void Leaf(string name, Tensor tensor) => leaves[name] = tensor;

    /// <summary>Puts out a tensor; names that the file does not record are ignored.</summary>
    public Tensor Output(string name, Tensor value)
    {
        if (!File.Outputs.TryGetValue(name, out var expected))
            return value;
        outputs[name] = value;
        Compare(name, value, expected, gradient: false);
        return value;
    }

    /// <summary>Puts out plain numbers.</summary>
    public void Output(string name, IEnumerable<double> values, params long[] shape)
    {
        var list = values.ToArray();
        Output(name, Tensor.From(list).Reshape(shape.Length == 0 ? [list.Length] : shape));
    }

    /// <summary>Puts out one number.</summary>
    public void Output(string name, double value) => Output(name, Tensor.From<double>([value]).Reshape());

    /// <summary>Compares gradients of a scalar with respect to the parameters and inputs that the file records.</summary>
    /// <param name="total">What is differentiated.</param>
    /// <param name="names">Names of the file's records with the leaf each stands for; left out, all that are not compared yet.</param>
    public void Differentiate(Tensor total, IEnumerable<(string Record, string Leaf)>? names = null)
    {
        var wanted = (names ?? File.Gradients.Keys.Where(k => !comparedGradients.Contains(k)).Select(k => (k, k))).ToArray();
        foreach (var (_, leaf) in wanted)
            if (!leaves.ContainsKey(leaf))
                throw new KeyNotFoundException($"a gradient is recorded for '{leaf}', which is neither parameter nor input here");
        using var whole = Torch.Autocast(device: Device.Type, enabled: false);
        var gradients = Autograd.Grad([total], [.. wanted.Select(w => leaves[w.Leaf])], retainGraph: true, allowUnused: true);
        for (var i = 0; i < wanted.Length; i++)
        {
            comparedGradients.Add(wanted[i].Record);
            Compare(
                $"gradient of {wanted[i].Record}",
                gradients[i] ?? leaves[wanted[i].Leaf].ZerosLike(),
                File.Gradients[wanted[i].Record],
                gradient: true
            );
        }
    }

    /// <summary>Differentiates what <c>gradient_of</c> names, as far as the case has not, and checks that nothing is left out.</summary>
    public void Finish()
    {
        if (File.Gradients.Keys.Any(k => !comparedGradients.Contains(k)))
        {
            if (File.GradientOf == "cotangent sum")
                Differentiate(CotangentSum(outputs));
            else if (File.GradientOf is { } name && outputs.TryGetValue(name, out var output))
                Differentiate(output.Sum());
            else
                throw new NotSupportedException($"gradient of '{File.GradientOf}': the case has to say what that is");
        }
        foreach (var name in File.Outputs.Keys.Where(k => !outputs.ContainsKey(k)))
            Fail($"output '{name}' was not computed");
        if (File.Mode is not ("eval" or "train" or "function"))
            Fail($"'mode' is '{File.Mode}': eval, train or function was expected");
        if (File.ComputedIn is not ("float64" or "float32"))
            Fail($"'computed_in' is '{File.ComputedIn}': float64 or float32 was expected");
        foreach (var name in File.Float32Outputs.Except(File.Outputs.Keys))
            Fail($"'float32_outputs' names '{name}', which is no output");
        foreach (var name in File.Incomparable)
            Fail($"'{name}' is recorded without an l2: there is nothing to compare");
        Unused("fields", [.. Config.Unread, .. Fields.Unread]);
        Unused("inputs", File.Inputs.Keys.Except(usedInputs));
        Unused("parameters", File.Parameters.Select(p => p.Name).Except(usedParameters));
    }

    // What is declared and has no effect may as well be wrong: such a file was not reproduced.
    private void Unused(string what, IEnumerable<string> names)
    {
        string[] all = [.. names];
        var more = all.Length > 20 ? $" and {all.Length - 20} more" : "";
        if (all.Length > 0)
            Fail($"{what} that the case never uses: {string.Join(", ", all.Take(20))}{more}");
    }

    /// <summary>Checks that the configuration's <c>batch</c> is the first size of an input.</summary>
    public void ExpectBatch(string input) => Config.Expect("batch", Input(input).Size(0));

    /// <summary>A rate of dropping. In training what a rate above 0 drops is drawn: no file can prescribe it.</summary>
    public double Rate(string key) => Rate(Config, key);

    /// <inheritdoc cref="Rate(string)"/>
    public double Rate(Config config, string key)
    {
        var rate = config.Double(key, 0);
        if (Training && rate != 0)
            throw new GoldenMismatchException($"'{key}' is {rate} in training, 0 was expected: what is dropped is drawn");
        return rate;
    }

    /// <summary>
    /// The sum over the outputs whose names start with <c>out</c> (over all, when none does) of out * w, w filled under the
    /// output's name.
    /// </summary>
    private Tensor CotangentSum(IReadOnlyDictionary<string, Tensor> from)
    {
        var named = from.Any(o => o.Key.StartsWith("out", StringComparison.Ordinal))
            ? from.Where(o => o.Key.StartsWith("out", StringComparison.Ordinal))
            : from;
        Tensor? total = null;
        foreach (var (name, output) in named)
        {
            if (!output.RequiresGrad || !output.DType.IsFloat())
                continue;
            var wide = output.To(Real);
            var part = (wide * Cotangent(name, wide)).Sum();
            total = total is null ? part : total + part;
        }
        return total ?? throw new InvalidOperationException("no output carries a gradient");
    }

    /// <summary>The cotangent of an output.</summary>
    public static Tensor Cotangent(string name, Tensor output) =>
        Tensor.From(Fill.Values($"cotangent:{name}", output.Elements, 0, 1)).Reshape(output.Shape).To(output.DType).To(output.Device);

    public void Fail(string message) => failures.Add(message);

    private void Compare(string name, Tensor value, Recorded expected, bool gradient)
    {
        var shape = value.Shape.ToArray();
        if ((!gradient || expected.Shape.Length > 0) && !shape.SequenceEqual(expected.Shape))
        {
            Fail($"{name}: shape {value.Shape}, {new Shape(expected.Shape)} in the file");
            return;
        }
        var ours = value.ToArray<double>();
        var narrow = File.ComputedInFloat32 || File.Float32Outputs.Contains(name) || (gradient && File.Float32Outputs.Count > 0);
        var allowed = narrow ? precision.Narrow : precision;
        var l2 = Math.Sqrt(ours.Sum(v => v * v));
        // Relative, or absolutely so small that theory makes it zero.
        if (double.IsFinite(expected.L2) && Math.Abs(l2 - expected.L2) > allowed.Absolute)
            Note(
                name + " (l2)",
                Math.Abs(l2 - expected.L2),
                (gradient ? allowed.GradientTolerance : allowed.Tolerance) * Math.Abs(expected.L2),
                narrow
            );
        // What is zero in theory is rounding noise on both sides.
        else if (!narrow)
            differences[name + " (l2)"] = expected.L2 < allowed.Absolute ? Math.Max(l2, expected.L2) : Math.Abs(l2 - expected.L2);
        if (double.IsNaN(l2) && double.IsFinite(expected.L2))
            Fail($"{name}: not a number");
        if (expected.Values is not { } theirs)
            return;
        var scale = Math.Max(1, theirs.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max());
        for (var i = 0; i < theirs.Length; i++)
        {
            var mine = ours[expected.Indices is { } indices ? indices[i] : i];
            if (double.IsFinite(theirs[i]))
                Note(name, double.IsFinite(mine) ? Math.Abs(mine - theirs[i]) : double.PositiveInfinity, allowed.Tolerance * scale, narrow);
            else if (!mine.Equals(theirs[i]))
                Fail($"{name}[{i}]: {mine}, {theirs[i]} in the file");
        }
    }

    private void Note(string name, double difference, double allowed, bool narrow = false)
    {
        var error = difference / allowed;
        if (!narrow)
            differences[name] = Math.Max(differences.GetValueOrDefault(name), difference);
        if (error > 1)
            beyond.Add(name);
        if (error <= Worst)
            return;
        Worst = error;
        culprit = error > 1 ? $"{name}: {error:G3} times what is allowed in {precision.Name}" : null;
    }

    /// <summary>
    /// Whether rounding explains all that is beyond the tolerances. That tells what is ill-conditioned in a precision (zero in
    /// theory, cancelled, saturated, on the edge of a ReLU) from what is wrong: float64 alone judges it. The run has to be sound
    /// otherwise, and the number of files excused so is limited (<see cref="Precision.MostExcused"/>).
    /// </summary>
    /// <param name="exact">The run in float64: what is zero in theory is rounding there too, as much less as its numbers are finer.</param>
    /// <param name="perturbed">Runs in float64 on perturbed weights and inputs: how far rounding alone moves a record.</param>
    public bool IsRounding(GoldenRun exact, IReadOnlyList<GoldenRun> perturbed) =>
        failures.Count == 0
        && beyond.All(name =>
            differences.TryGetValue(name, out var error)
            && (
                error <= 256 * (precision.Unit / Precision.Float64.Unit) * exact.differences.GetValueOrDefault(name)
                || perturbed.Any(run => error <= 4 * run.differences.GetValueOrDefault(name))
            )
        );
}

/// <summary>The file does not fit the case: the run ends.</summary>
internal sealed class GoldenMismatchException(string message) : Exception(message);
