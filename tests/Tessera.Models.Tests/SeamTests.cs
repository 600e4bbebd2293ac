using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>
/// The questions of <see cref="Tessera.Models.Backbone"/> asked of every model of the registry in reduced form: do the answers fit each
/// other?
/// </summary>
public class SeamTests : LiveTensors
{
    public static TheoryData<string> Names => [.. Reduced.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_trains_and_answers_all_questions(string name) => Questions.Ask(name, Device.Cpu);
}
