using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public class NamespaceTests
{
    [Fact]
    public void Namespaces_are_folders_and_depend_on_each_other_without_a_circle() => NamespaceRules.Check(typeof(VectorIndex).Assembly);
}
