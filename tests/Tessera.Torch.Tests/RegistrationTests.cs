using System.Reflection;
using System.Reflection.Emit;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Members that nothing registers are found instead of left untrained.</summary>
public sealed partial class RegistrationTests : LiveTensors
{
    private interface IAny;

    private sealed partial class Any : Layer, IAny
    {
        private readonly Linear fc = new(2, 2);

        protected override Tensor Forward(Tensor input) => fc.Call(input);
    }

    // As a project without the generator compiles it: a method of this name keeps it out. The compiler has a field for the parameter.
    private sealed class Captured(Layer inner) : Layer
    {
        internal static string ListMembers() => "";

        protected override Tensor Forward(Tensor input) => inner.Call(input);
    }

    private sealed class Holder(object? value, bool exempt = false) : Layer
    {
        private readonly object? value = exempt ? null : value;

        [NotRegistered]
        private readonly object? exempted = exempt ? value : null;

        protected override Tensor Forward(Tensor input) => value is null && exempted is null ? input : -input;
    }

    private sealed partial class Both : Layer
    {
        private readonly Any any = new();
        private readonly IAny same;
        private readonly Tensor weight;

        internal Both() => (same, weight) = (any, any.Parameters().First());

        protected override Tensor Forward(Tensor input) => same == (IAny)any ? any.Call(input) * weight.Sum() : input;
    }

    private static string Refusal(Module module) => Assert.Throws<InvalidOperationException>(() => module.Parameters().Count()).Message;

    [Fact]
    public void A_module_that_only_a_constructors_parameter_holds()
    {
        var inner = new Any();
        Assert.Contains("Captured.inner would be neither trained nor saved", Refusal(new Captured(inner)), StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => new Captured(inner).StateDict());
        Assert.Throws<InvalidOperationException>(() => new Captured(inner).Eval());
    }

    [Fact]
    public void Members_in_fields_of_other_types()
    {
        using var scope = Torch.Scope();
        var parameter = new Parameter(Torch.Zeros([1]));
        object[] hidden =
        [
            new Any(),
            parameter,
            new object[] { new Any() },
            new List<object> { "first", new Any() },
            new Dictionary<string, object> { ["a"] = new List<IAny> { new Any() } },
            (1, parameter),
        ];
        // Without a value nothing is wrong yet; the next object of the class is looked at all the same.
        Assert.Empty(new Holder(null).Parameters());
        Assert.All(hidden, value => Assert.Contains("Holder.value", Refusal(new Holder(value)), StringComparison.Ordinal));
        Assert.All(hidden, value => Assert.Empty(new Holder(value, exempt: true).Parameters()));
        Assert.Empty(new Holder(new List<object> { 1, "two" }).Parameters());
        parameter.Dispose();
    }

    [Fact]
    public void What_is_registered_under_another_field_may_be_held_twice() => Assert.Equal(2, new Both().Parameters().Count());

    [Theory]
    [InlineData(typeof(Linear))]
    [InlineData(typeof(Parameter))]
    [InlineData(typeof(Layer[]))]
    [InlineData(typeof(Dictionary<string, List<Linear>>))]
    public void A_class_that_no_generator_has_seen_is_refused_when_it_is_constructed(Type held)
    {
        // As a project without the generator compiles it: a base class with the field, and one that inherits it.
        var module = AssemblyBuilder.DefineDynamicAssembly(new("without"), AssemblyBuilderAccess.Run).DefineDynamicModule("without");
        var type = module.DefineType("Mine", TypeAttributes.Public | TypeAttributes.Abstract, typeof(Layer));
        type.DefineField("headFc", held, FieldAttributes.Private);
        var derived = module.DefineType("Derived", TypeAttributes.Public | TypeAttributes.Abstract, type.CreateType());
        foreach (var one in new[] { type.CreateType(), derived.CreateType() })
        {
            var message = Assert.Throws<InvalidOperationException>(() => Registration.CheckClass(one)).Message;
            Assert.Contains("Mine.headFc would be neither trained nor saved", message, StringComparison.Ordinal);
            Assert.Contains("partial", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_class_without_members_needs_no_list()
    {
        var module = AssemblyBuilder.DefineDynamicAssembly(new("without"), AssemblyBuilderAccess.Run).DefineDynamicModule("without");
        var type = module.DefineType("Mine", TypeAttributes.Public | TypeAttributes.Abstract, typeof(Layer));
        type.DefineField("sizes", typeof(List<int>), FieldAttributes.Private);
        type.DefineField("make", typeof(Func<Linear>), FieldAttributes.Private);
        Registration.CheckClass(type.CreateType());
    }
}
