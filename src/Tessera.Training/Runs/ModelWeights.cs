using Tessera.Models;

namespace Tessera.Training;

/// <summary>Weights of checkpoints for models.</summary>
public static class ModelWeights
{
    /// <summary>Loads a checkpoint of any known format; names and position tables are adapted to the model.</summary>
    /// <param name="model">What is loaded into.</param>
    /// <param name="path">The file.</param>
    /// <param name="strict">Whether a classifier of another number of classes is an error; otherwise it stays as it is.</param>
    /// <exception cref="StateDictException">Names or shapes do not fit; all of them are listed.</exception>
    /// <exception cref="Checkpoints.CheckpointException">The file cannot be read.</exception>
    public static StateDictReport Load(Backbone model, string path, bool strict = false)
    {
        using var scope = new Scope();
        var state = TensorFile.Load(path);
        model.AdaptStateDict(state);
        if (strict) return model.LoadStateDict(state);
        var own = model.StateDict();
        var kept = model.ClassifierNames.Where(name => own.ContainsKey(name) && !(state.TryGetValue(name, out var given) && given.Shape == own[name].Shape)).ToHashSet();
        foreach (var name in kept) state.Remove(name);
        var report = StateDictReport.Compare(own, state);
        if (report.Unexpected.Count > 0 || report.Mismatched.Count > 0 || report.Missing.Any(name => !kept.Contains(name)))
            throw new StateDictException(model.GetType().Name, report with { Missing = [.. report.Missing.Where(name => !kept.Contains(name))] });
        return model.LoadStateDict(state, strict: false);
    }
}
