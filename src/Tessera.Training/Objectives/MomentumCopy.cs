namespace Tessera.Training.Objectives;

/// <summary>How the buffers of a momentum copy (running statistics of batch norms) change.</summary>
public enum MomentumBuffers
{
    /// <summary>
    /// An update leaves them alone: the copy is in training mode and gathers statistics of its own. MoCo (He et al., 2020,
    /// arXiv:1911.05722) and BYOL (Grill et al., 2020, arXiv:2006.07733) do so.
    /// </summary>
    Own,

    /// <summary>They become those of the source.</summary>
    Copied,

    /// <summary>They are averaged as parameters are; integers in float64 and cut off.</summary>
    Averaged,
}

/// <summary>
/// A copy of a module that follows its source slowly: m times the copy plus (1 - m) times the source. MoCo's key encoder (He et al., 2020,
/// arXiv:1911.05722, equation 2), BYOL's target network (Grill et al., 2020, arXiv:2006.07733, equation 1). As a field of an objective it
/// is saved in checkpoints, as <c>NAME.module.*</c>; its parameters require no gradient, so that no optimiser changes them.
/// </summary>
/// <typeparam name="T">The kind of module.</typeparam>
public sealed class MomentumCopy<T> : Module
    where T : Module
{
    private readonly (Tensor Source, Tensor Copy)[] parameters,
        buffers;
    private readonly MomentumBuffers mode;

    /// <summary>Makes a module of the same structure the copy: it takes up the source's weights and buffers, and its device.</summary>
    /// <param name="source">The module that the copy follows; its owner keeps it.</param>
    /// <param name="copy">A module of the same structure.</param>
    /// <param name="buffers">Handling of the copy's buffers, such as running statistics.</param>
    /// <param name="asSource">Whether it begins with the source's weights; otherwise it keeps those that it has.</param>
    /// <exception cref="ArgumentException">Source and copy are one module.</exception>
    /// <exception cref="StateDictException">Names or shapes differ.</exception>
    public MomentumCopy(T source, T copy, MomentumBuffers buffers = MomentumBuffers.Own, bool asSource = true)
    {
        if (ReferenceEquals(source, copy))
            throw new ArgumentException("the momentum copy must be a module of its own, not its source", nameof(copy));
        (Module, mode) = (copy, buffers);
        // Loading checks the structure, whichever weights are kept.
        var kept = asSource ? null : copy.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.Detach().Clone());
        copy.LoadStateDict(source.StateDict());
        if (kept is not null)
            copy.LoadStateDict(kept);
        copy.To(ModuleDevice.Of(source));
        copy.RequireGrad(false);
        var own = copy.StateDict();
        parameters = [.. source.NamedParameters().Select(entry => ((Tensor)entry.Parameter, own[entry.Name]))];
        this.buffers =
        [
            .. source
                .NamedBuffers()
                .Where(entry => entry.Buffer is { Persistent: true, Constant: false })
                .Select(entry => ((Tensor)entry.Buffer, own[entry.Name])),
        ];
    }

    /// <summary>The copy. Call it without gradients.</summary>
    public T Module { get; }

    /// <inheritdoc/>
    protected override void ListMembers(Members members) => members.Add("module", Module);

    /// <summary>Follows the source by one step, in place.</summary>
    /// <param name="decay">m, in [0, 1]: 0 makes it equal to the source, 1 leaves it as it is. It may differ from step to step.</param>
    /// <exception cref="ArgumentOutOfRangeException">The decay is outside of [0, 1].</exception>
    public void Update(double decay)
    {
        if (decay is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(decay), decay, "the decay of a momentum copy must be in [0, 1]");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (source, copy) in parameters)
            MovingAverage.Update(copy, source, decay);
        foreach (var (source, copy) in buffers)
        {
            if (mode == MomentumBuffers.Averaged)
                MovingAverage.Update(copy, source, decay);
            else if (mode == MomentumBuffers.Copied)
                copy.Copy_(source);
        }
    }
}
